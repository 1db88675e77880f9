"""Following a day that is under way: what its positions say so far, brought up to date step by step and stored as live evidence.

A step matches only the devices that were heard of since the step before, each over its whole day: a late fix, a jump or a stay may change
what earlier fixes mean, and the passes of a device depend on nothing but its own fixes. So at any moment the live passes are those that an
audit of the positions stored at that moment would find (`tests/etl/test_follow.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pyarrow as pa
import pyarrow.compute as pc

from etl.base import silent
from etl.code_version import code_version
from etl.inputs import DayTables
from etl.match_stage import match_positions, passes_table
from etl.network_stage import DERIVED, Networks
from etl.pipeline import day_inputs
from etl.watch import Watch
from gis.audit import crew_of
from gis.calendar import day_bounds
from gis.crew import column_ms, column_text, device_modes, with_fixes
from gis.errors import Fault, ImpossibleError, XunchaError
from gis.evidence import evidence_of
from gis.frequency import road_frequency
from gis.live import full_patrols, no_passes, reached_windows
from gis.merge import concat_fixes, concat_passes, of_devices
from gis.model import MODES
from gis.rounds import grid_rounds
from layers.standard_editions import standard_of
from layers.store import open_store
from layers.store.base import Live
from layers.store.live import newer
from layers.store.positions import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from threading import Event

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from etl.match_stage import Matched
    from gis.audit import DayInputs
    from gis.crew import Crew
    from gis.evidence import Evidence
    from gis.model import Mode, Passes
    from gis.network import Network
    from layers.city import City
    from layers.store.base import Store

OVERLAPS_MS = (1_200_000, 10_800_000)  # a step reads again what is newer than so long before the newest fix it knows
BASIS = (
    "road_edges", "areas", "work_grids", "community_grids", "persons", "devices", "assignments", "responsibilities", "exceptions",
)  # fmt: skip
KEPT_DAYS = 2  # live evidence of a day that was never audited is removed when it is this old


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """What of a day does not change with its positions."""

    day: date
    basis: dict[str, str]  # table -> edition
    network: Network
    inputs: DayInputs
    crew: Crew
    modes: Mapping[str, Mode]


@dataclass(slots=True)
class _Held:
    """What the steps so far made of a day."""

    ground: _Ground
    positions: pa.Table
    matched: Matched | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class Follower:
    """Steps of one city; keeps the day's positions, fixes and passes in memory between them.

    Args:
        city: the city file.
        store: prepared; read, and written to by `put_live` alone (and the network, where it has not been derived yet).
    """

    def __init__(self, city: City, store: Store) -> None:
        self._city, self._store = city, store
        self._standard = standard_of(city)
        self._networks = Networks(city, store, self._standard)
        self._held: _Held | None = None

    def step(self, day: date) -> Live | None:
        """Bring the live evidence of a day up to date.

        Returns:
            What was stored; None where nothing is new.

        Raises:
            ImpossibleError: no roads are in force on the day.
            StoreError: the store is busy or gone.
        """
        began = time.perf_counter()
        held, fresh = self._on_ground(day)
        changed = self._read(held)
        held.seconds["read"] = time.perf_counter() - began
        if not changed and not fresh and held.matched is not None:
            return None
        begun = time.perf_counter()
        self._match(held, changed)
        held.seconds["match"] = time.perf_counter() - begun
        begun = time.perf_counter()
        tables = self._tables(held)
        held.seconds["rules"] = time.perf_counter() - begun
        told = {k: round(v, 3) for k, v in held.seconds.items()}
        live = Live(day, _until(held.positions, day_bounds(day, self._city.zone)[0]), len(held.positions), held.ground.basis,
                    code_version(), told)  # fmt: skip
        return self._store.put_live(live, tables)

    def _on_ground(self, day: date) -> tuple[_Held, bool]:
        """What is held of the day; begun anew where the day or any table in force has changed."""
        tables = DayTables(self._store, day)
        held, basis = self._held, {t: e for t, e in tables.editions.items() if t in BASIS}
        if held is not None and held.ground.day == day and basis.items() <= held.ground.basis.items():
            return held, self._store.live(day) is None
        self._held = None  # not two days at once
        if not tables.has("road_edges"):
            raise ImpossibleError(
                Fault(
                    "follow.no_roads",
                    f"{day} 没有生效的道路，无法跟踪",
                    f"no roads are in force on {day}",
                    "先运行 xuncha load city.toml",
                    "first run xuncha load city.toml",
                )
            )
        network, network_id = self._networks.of(tables)
        inputs = day_inputs(self._city, self._standard, tables, network)
        crew = crew_of(inputs, self._standard)
        modes = device_modes(tables["devices"], tables["assignments"])
        basis |= dict.fromkeys(DERIVED, network_id)
        ground = _Ground(day, basis, network, inputs, crew, modes)
        self._held = _Held(ground, SCHEMA.empty_table())
        return self._held, True

    def _read(self, held: _Held) -> set[str]:
        """Take in what was stored since; the devices that it is of.

        Rows are only ever added, so their number tells whether any are missing: first the last minutes are read, then hours, and
        the whole day only where that does not explain the number (late positions).
        """
        day, stored = held.ground.day, self._store.positions
        count = stored.count(day)
        before = held.positions
        if count == len(before):
            return set()
        after = SCHEMA.empty_table()
        newest = int(pc.max(before["t_ms"]).as_py()) if len(before) else 0
        for overlap in OVERLAPS_MS if len(before) else ():
            since = newest - overlap
            after = pa.concat_tables([before.filter(pc.less(before["t_ms"], since)), stored.scan(day, from_ms=since)])
            if len(after) >= count:
                break
        if len(after) < count:
            after = stored.scan(day)
        held.positions = after
        return _grown(before, after)

    def _match(self, held: _Held, changed: set[str]) -> None:
        """Match the whole day of the changed devices, and put it in the place of what was known of them."""
        ground, table = held.ground, held.positions
        if held.matched is not None and not changed:
            return
        if held.matched is not None:
            table = table.filter(pc.is_in(table["device_id"], pa.array(sorted(changed), pa.string())))
        default = MODES[self._city.counting.unassigned_mode]
        found = match_positions(table, self._networks.matcher(ground.network), ground.modes, default)
        if held.matched is None:
            held.matched = found
            return
        rest = of_devices(held.matched.fixes, held.matched.passes, set(held.matched.fixes.devices) - changed)
        fixes = [rest[0], found.fixes]
        held.matched = type(found)(concat_fixes(fixes), concat_passes([rest[1], found.passes], fixes))

    def _windows(self, held: _Held, passes: Passes, evidence: Evidence) -> pa.Table:
        """The windows of the day, judged as an audit of what has arrived would judge them."""
        ground, standard, zone = held.ground, self._standard, self._city.zone
        crew = with_fixes(ground.crew, held.matched.fixes, standard) if held.matched else ground.crew
        given: tuple[Any, ...] = (ground.network, passes, crew, standard, ground.day, zone)
        more: dict[str, Any] = {
            "evidence": evidence, "exceptions": ground.inputs.exceptions, "areas": gpd.GeoDataFrame(ground.inputs.areas),
        }  # fmt: skip
        found = road_frequency(*given, **more)
        reached = reached_windows(*given, **more)
        return _judged(found.section_windows, reached)

    def _tables(self, held: _Held) -> dict[str, pa.Table]:
        """The tables of `layers.store.live`, by the rules of the audit."""
        ground, passes = held.ground, held.matched.passes if held.matched else no_passes()
        given: tuple[Any, ...] = (ground.network, passes, ground.crew, self._standard, ground.day, self._city.zone)
        evidence = evidence_of(ground.network, passes, self._standard)
        section, completed = full_patrols(
            *given, evidence=evidence, exceptions=ground.inputs.exceptions, areas=ground.inputs.areas
        )
        ids = ground.network.sections["section_id"].astype(str).to_numpy(object)
        rounds = grid_rounds(
            *given, work_grids=gpd.GeoDataFrame(ground.inputs.work_grids), exceptions=ground.inputs.exceptions,
            areas=ground.inputs.areas, evidence=evidence,
        ).grid_rounds  # fmt: skip
        return {
            "passes": passes_table(passes),
            "patrols": pa.table({"section_id": pa.array(ids[section], pa.string()), "completed_ms": completed}),
            "windows": self._windows(held, passes, evidence),
            "rounds": pa.table(
                {
                    "grid_id": pa.array(rounds["grid_id"].astype(str), pa.string()),
                    "completed_ms": pa.array(column_ms(rounds, "completed", 0), pa.int64()),
                }
            ),
        }


def _judged(windows: pd.DataFrame, reached_ms: npt.NDArray[np.int64]) -> pa.Table:
    """The audit's windows as live evidence holds them."""
    texts = {
        c: pa.array(column_text(windows, c), pa.string())
        for c in ("section_id", "person_ids", "named_by", "outcome", "missing")
    }
    times = {f"{c}_ms": pa.array(column_ms(windows, c, 0), pa.int64()) for c in ("starts", "ends")}
    return pa.table({**texts, **times, "reached_ms": pa.array(reached_ms, pa.int64())})


def _until(positions: pa.Table, start_ms: int) -> int:
    """The newest fix; one whose clock runs ahead counts by its arrival."""
    if not len(positions):
        return start_ms
    return int(pc.max(pc.min_element_wise(positions["t_ms"], positions["arrived_ms"])).as_py())


def _grown(before: pa.Table, after: pa.Table) -> set[str]:
    """Devices of which there are more rows than before."""
    counts = []
    for table in (before, after):
        found = pc.value_counts(table["device_id"])
        counts.append(dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)))
    return {d for d, n in counts[1].items() if n != counts[0].get(d, 0)}


def drop_over(store: Store, today: date) -> list[date]:
    """Remove the live evidence of days that are over: once an audit knows as much, or two days later; the days."""
    gone = []
    for day in store.live_days():
        held = newer(store.current_run(day), store.live(day))
        if day < today and (not isinstance(held, Live) or day <= today - timedelta(days=KEPT_DAYS)):
            store.drop_live(day)
            gone.append(day)
    return gone


# --- the service ---
@dataclass(frozen=True, slots=True)
class Step:
    """What one step of the service did."""

    day: date
    live: Live | None  # what was stored; None: nothing new
    loaded: int  # rows that were loaded before it
    seconds: float
    error: XunchaError | None = None  # the step came to nothing; the next one tries again


def follow(
    city: City,
    store_url: str,
    *,
    stop: Event,
    every_s: float = 30.0,
    load: bool = False,
    tell: Callable[[Step], None] = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Step after step on the current local day until `stop` is set; the day changes by itself at midnight.

    A step that fails (a store that is busy or away, a file that cannot be read) is told, and tried again with the next one.

    Args:
        city: the city file.
        store_url: a prepared store.
        stop: ends the service after the step under way.
        every_s: from the beginning of one step to that of the next.
        load: also load what is new in the files of the city's sources.
        tell: told after each step.
        now: the clock.
    """
    store = open_store(store_url, timezone=city.timezone)
    follower, watch = Follower(city, store), Watch(city, store) if load else None
    try:
        while not stop.is_set():
            began = time.monotonic()
            step = _step(store, follower, watch, now().astimezone(city.zone).date())
            tell(step)
            stop.wait(max(0.0, every_s - (time.monotonic() - began)))
    finally:
        store.close()


def _step(store: Store, follower: Follower, watch: Watch | None, day: date) -> Step:
    began = time.perf_counter()
    loaded, live, error = 0, None, None
    try:
        if watch is not None:
            loaded = watch.load_new(progress=silent)
        live = follower.step(day)
        drop_over(store, day)
    except XunchaError as problem:
        error = problem
    seconds = time.perf_counter() - began
    told = {"day": str(day), "seconds": round(seconds, 2), "loaded": loaded, "error": error.render("zh") if error else "",
            "error_en": error.render("en") if error else ""}  # fmt: skip
    try:
        store.beat(told)
    except XunchaError as problem:
        error = error or problem
    return Step(day, live, loaded, seconds, error)
