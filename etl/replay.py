"""Replay: a stored day played into a scratch store on a virtual clock, as if it were happening.

The clock is the newest position load of the source `replay`: positions and the moment they reach are stored in one atomic step, so
whoever reads the scratch store at that moment sees exactly the positions that had arrived by then. A replay that was interrupted goes
on from the moment it had reached.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from queue import Full, Queue
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.base import QUARANTINE_COLUMNS, Progress, silent
from etl.follow import Follower, drop_over
from etl.pipeline import audit_days
from gis.calendar import day_bounds
from gis.errors import Fault, ImpossibleError, SettingsError
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import SourceRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    import numpy.typing as npt

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
    follow_every_s: int = 30,
    progress: Progress = silent,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Play a day: editions are copied, positions appended as they arrived, and the day so far is followed (`etl.follow`) as a live one is.

    Steps of following run beside the clock, one at a time, as often as they are done in time; an audit of the whole day ends the replay.

    Args:
        city: the city file.
        source_store: holds the day; it is only read.
        day: local day.
        speed: virtual seconds a second.
        into: address of the scratch store: empty, or one that a replay of the same day was interrupted on.
        step_s: virtual seconds between two batches.
        follow_every_s: virtual seconds between two steps of following, at least.
        progress: told at each batch.
        sleep: waits real seconds.

    Raises:
        SettingsError: the speed is not positive, or the scratch store is the source itself or holds something else.
        ImpossibleError: the day holds no positions, or has been played to its end and audited.
    """
    if not speed > 0 or step_s <= 0 or follow_every_s <= 0:
        raise SettingsError(Fault("replay.speed", "倍速与步长必须大于 0", "speed and steps must be above zero"))
    if day not in source_store.positions.days():
        raise ImpossibleError(Fault("replay.nothing", f"{day} 没有定位数据", f"{day} holds no positions"))
    scratch = open_store(into, timezone=city.timezone)
    try:
        if scratch.address == source_store.address:
            raise SettingsError(
                Fault("replay.same", "演练库不能是数据来源的库", "the scratch store must not be the source")
            )
        scratch.prepare()
        reached = reached_ms(scratch, day)
        positions = source_store.positions.scan(day)
        moments = clock(positions, day_bounds(day, city.zone), step_s)
        ahead = moments if reached is None else moments[moments > reached]
        if len(ahead) == 0 and scratch.current_run(day) is not None:
            raise ImpossibleError(
                Fault(
                    "replay.over",
                    f"演练库里 {day} 已放完",
                    f"{day} has been played to its end there",
                    "换一个演练库，或删除它再放",
                    "name another scratch store, or delete this one",
                )
            )
        copy_editions(source_store, scratch, day)
        played = _Played(city, scratch, into, positions, day)
        _play(played, ahead, reached, (speed, step_s, follow_every_s), progress, sleep)
    finally:
        scratch.close()


def reached_ms(scratch: Store, day: date) -> int | None:
    """The moment that an interrupted replay of the day had reached, None in an empty store.

    Raises:
        SettingsError: the store holds something else than a replay of this day.
    """
    loads = scratch.manifests()
    foreign = next((m for m in loads if m.record.source != SOURCE and not m.record.path.startswith(f"{SOURCE}:")), None)
    newest = next((m.record.path for m in loads if m.record.source == SOURCE), "")
    name, _, moment = newest.partition(" ")
    if foreign is not None or (newest and name != str(day)):
        what = foreign.record.path if foreign else name
        raise SettingsError(
            Fault(
                "replay.not_empty",
                f"演练库里已有别的数据（{what}）",
                f"the scratch store holds something else ({what})",
                "演练库要用一个新的地址",
                "give the scratch store an address of its own",
            )
        )
    return int(moment) if newest else None


def clock(positions: pa.Table, bounds: tuple[int, int], step_s: int) -> npt.NDArray[np.int64]:
    """Virtual moments, int64 UTC ms: from the first arrival to the last one within the day, a step apart."""
    start, end = bounds
    arrived = positions["arrived_ms"].to_numpy()
    step_ms = step_s * 1000
    last = min(end, int(arrived.max()))
    moments: npt.NDArray[np.int64] = np.arange(
        max(start, int(arrived.min()) // step_ms * step_ms), last + step_ms, step_ms, dtype=np.int64
    )
    return moments


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


@dataclass(frozen=True, slots=True, eq=False)
class _Played:
    city: City
    scratch: Store
    address: str
    positions: pa.Table
    day: date

    def follow(self, steps: Queue[bool]) -> None:
        """A step whenever one is asked for, until False is, over a connection of its own."""
        store = open_store(self.address, timezone=self.city.timezone)
        try:
            follower = Follower(self.city, store)
            while steps.get():
                follower.step(self.day)
        finally:
            store.close()


def _play(
    played: _Played,
    moments: npt.NDArray[np.int64],
    reached: int | None,
    pace: tuple[float, int, int],
    progress: Progress,
    sleep: Callable[[float], None],
) -> None:
    speed, step_s, follow_every_s = pace
    before, followed, began = -(2**62) if reached is None else reached, -(2**62), time.monotonic()
    arrived, steps = played.positions["arrived_ms"], Queue[bool](1)
    with ThreadPoolExecutor(1) as beside:
        following = beside.submit(played.follow, steps)
        try:
            for k, now in enumerate(moments.tolist()):
                late = began + k * step_s / speed - time.monotonic()
                if late > 0:
                    sleep(late)
                fresh = pc.and_(pc.greater(arrived, before), pc.less_equal(arrived, now))
                append(played.scratch, played.positions.filter(fresh), played.day, now)
                before = now
                if now - followed >= follow_every_s * 1000 and not steps.full():
                    steps.put(True)
                    followed = now
                if following.done():
                    following.result()  # a step that failed ends the replay
                progress("replay", k + 1, len(moments))
        finally:
            while not following.done():
                with suppress(Full):
                    steps.put(False, timeout=0.1)
                    break
        following.result()
    if len(
        played.positions.filter(pc.greater(arrived, before))
    ):  # what came after midnight belongs to the day all the same
        append(played.scratch, played.positions.filter(pc.greater(arrived, before)), played.day, before + step_s * 1000)
    audit_days(played.city, played.scratch, [played.day])
    drop_over(played.scratch, played.day + timedelta(days=1))


def append(scratch: Store, batch: pa.Table, day: date, now_ms: int) -> None:
    """Store what has arrived, and with it the virtual moment."""
    digest = hashlib.sha256(f"{day}|{now_ms}|{batch.num_rows}".encode()).hexdigest()
    record = SourceRecord(SOURCE, "positions", f"{day} {now_ms}", digest, batch.num_rows)
    scratch.positions.load([batch], record, NOTHING)
