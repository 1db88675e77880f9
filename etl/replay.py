"""Replay: a stored day played into a scratch store on a virtual clock, as if it were happening.

The clock is the newest position load of the source `replay`: positions and the moment they reach are stored in one atomic step, so whoever
reads the scratch store at that moment sees exactly the positions that had arrived by then.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.base import QUARANTINE_COLUMNS, Progress, silent
from etl.pipeline import audit_days
from gis.calendar import day_bounds
from gis.errors import Fault, ImpossibleError, SettingsError
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import SourceRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from layers.city import City
    from layers.store.base import Store

SOURCE = "replay"
NOTHING = pd.DataFrame(columns=list(QUARANTINE_COLUMNS))


def replay_day(
    city: City,
    source_store: Store,
    day: date,
    *,
    speed: float,
    into: str,
    step_s: int = 60,
    audit_every_s: int = 900,
    progress: Progress = silent,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Play a day: editions are copied, positions appended as they arrived, and the day so far is audited every so many virtual seconds.

    An audit that takes longer than its virtual time makes the clock late, never wrong: the clock moves only once the positions are stored.

    Args:
        city: the city file.
        source_store: holds the day; it is only read.
        day: local day.
        speed: virtual seconds a second.
        into: address of the scratch store.
        step_s: virtual seconds between two batches.
        audit_every_s: virtual seconds between two audits.
        progress: told at each batch.
        sleep: waits real seconds.

    Raises:
        SettingsError: the speed is not positive, or the scratch store is the source itself.
        ImpossibleError: the day holds no positions.
    """
    if not speed > 0 or step_s <= 0 or audit_every_s <= 0:
        raise SettingsError(Fault("replay.speed", "倍速与步长必须大于 0", "speed and steps must be above zero"))
    if day not in source_store.positions.days():
        raise ImpossibleError(Fault("replay.nothing", f"{day} 没有定位数据", f"{day} holds no positions"))
    positions = source_store.positions.scan(day)
    scratch = open_store(into, timezone=city.timezone)
    try:
        if scratch.url == source_store.url:
            raise SettingsError(
                Fault("replay.same", "演练库不能是数据来源的库", "the scratch store must not be the source")
            )
        scratch.prepare()
        copy_editions(source_store, scratch, day)
        _play(city, scratch, positions, day, (speed, step_s, audit_every_s), progress, sleep)
    finally:
        scratch.close()


def copy_editions(source: Store, into: Store, day: date) -> None:
    """Copy the input tables in force on a day, with the accounts, so that the same people can sign in."""
    for table in (t.name for t in TABLES.values() if t.kind == "input"):
        edition = source.edition_at(table, day)
        if edition is None:
            continue
        frame = source.read(table, edition.edition_id)
        record = SourceRecord(table, table, f"{SOURCE}:{table}", edition.edition_id, len(frame))
        into.load(frame, record, NOTHING, valid_from=edition.valid_from)
    known = into.ledger("users", limit=100_000)
    if not len(known):
        for row in reversed(source.ledger("users", limit=100_000).to_dict("records")):
            into.ledger_append("users", {str(k): v for k, v in row.items() if k != "at"})


def _play(
    city: City,
    scratch: Store,
    positions: pa.Table,
    day: date,
    pace: tuple[float, int, int],
    progress: Progress,
    sleep: Callable[[float], None],
) -> None:
    speed, step_s, audit_every_s = pace
    start, end = day_bounds(day, city.zone)
    arrived = positions["arrived_ms"].to_numpy()
    last = min(end, int(arrived.max())) if len(arrived) else end
    moments = np.arange(
        max(start, int(arrived.min()) // (step_s * 1000) * step_s * 1000), last + step_s * 1000, step_s * 1000
    )
    before, audited, began = -(2**62), -(2**62), time.monotonic()
    for k, now in enumerate(moments.tolist()):
        late = began + k * step_s / speed - time.monotonic()
        if late > 0:
            sleep(late)
        fresh = pc.and_(pc.greater(positions["arrived_ms"], before), pc.less_equal(positions["arrived_ms"], now))
        append(scratch, positions.filter(fresh), day, now)
        before = now
        if now - audited >= audit_every_s * 1000 or k == len(moments) - 1:
            audit_days(city, scratch, [day])
            audited = now
        progress("replay", k + 1, len(moments))


def append(scratch: Store, batch: pa.Table, day: date, now_ms: int) -> None:
    """Store what has arrived, and with it the virtual moment."""
    digest = hashlib.sha256(f"{day}|{now_ms}|{batch.num_rows}".encode()).hexdigest()
    record = SourceRecord(SOURCE, "positions", f"{day} {now_ms}", digest, batch.num_rows)
    scratch.positions.load([batch], record, NOTHING)
