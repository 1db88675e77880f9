"""What the staff do on a day, well or badly, and what their phones make of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import shapely

from gis.degrade import Degradation, Observations, degrade, ride_along
from gis.model import MODES
from gis.simulate import Movement, Patroller, Task, simulate

if TYPE_CHECKING:
    import numpy.typing as npt

    from etl.sample.county import County
    from etl.sample.people import Beat, Round, Staff

ZONE = ZoneInfo("Asia/Shanghai")
SPEED_MPS = {"foot": 1.3, "ebike": 3.7, "vehicle": 7.0}
WINDOWS = {
    "hour": (
        (8.5, 9.5),
        (9.5, 10.5),
        (10.5, 11.5),
        (11.5, 12.0),
        (13.5, 14.5),
        (14.5, 15.5),
        (15.5, 16.5),
        (16.5, 17.5),
    ),
    "two_hours": ((8.5, 10.5), (10.5, 12.0), (13.5, 15.5), (15.5, 17.5)),
    "day": ((8.5, 12.0), (13.5, 17.5)),
}
# by squad: share of stretches left out in a window, share of windows driven by too fast; the rest of the towns are fair
CARE = {0: (0.01, 0.0), 1: (0.05, 0.02), 2: (0.16, 0.15), 3: (0.03, 0.0)}
FAIR = (0.06, 0.03)
OFFICES = ("高速公路", "步行道")  # classes that nobody's grid round includes


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """One simulated day.

    Attributes:
        moved: truth.
        seen: positions before the office's own dirt, in the county's CRS.
        bearer: rows device_id, person_id, valid_from, valid_to (local times of the day, None for all of it).
        silences, drawers: devices with their hours, for the truth file.
        companions: device ids that travelled with another (device id of the other).
    """

    moved: Movement
    seen: Observations
    bearer: tuple[tuple[str, str, float | None, float | None], ...]
    silences: tuple[tuple[str, float, float], ...]
    drawers: tuple[tuple[str, float, float], ...]
    companions: dict[str, str] = field(default_factory=dict)


def at(day: date, hour: float) -> int:
    """UTC milliseconds of a local hour of the day."""
    local = datetime.combine(day, time(0), ZONE) + timedelta(hours=hour)
    return int(local.astimezone(UTC).timestamp() * 1000)


def patrol(county: County, staff: Staff, day: date, *, working: bool, special: bool, rng: np.random.Generator) -> Day:
    """Everybody's day.

    Args:
        county: where.
        staff: who.
        day: which local day.
        working: whether squads are on duty.
        special: whether the day's incidents happen (silent phone, phone in a drawer, leave).
        rng: the only source of chance.
    """
    patrollers = [p for b in staff.beats if working for p in _beat(county, b, day, rng)]
    patrollers += _rounds(county, staff.collectors, "work_grids", day, ((7.0, 11.5), (13.0, 18.0)), 0, rng)
    tracked = [r for r in staff.members if r.device]
    patrollers += _rounds(county, tracked, "community_grids", day, ((8.5, 10.5), (14.0, 16.0)), 1, rng)
    moved = simulate(county.graph, patrollers, rng=rng)
    north = [b.devices[0] for b in staff.beats if b.unit == 3 and b.car is None]  # noqa: PLR2004 (the north squad)
    south = [b.devices[0] for b in staff.beats if b.unit == 2 and b.cadence == "hour" and b.car is None]  # noqa: PLR2004 (the south squad)
    silences = ((north[0], 14.2, 17.6), (north[1], 8.4, 11.0), (north[-1], 8.0, 18.0)) if special and working else ()
    drawers = ((south[0], 13.4, 17.6),) if special and working else ()
    index = {d: k for k, d in enumerate(moved.devices)}
    how = Degradation(
        noise_m=5.0, correlation_s=45.0, jitter_share=0.2, canyon_share=0.06, canyon_m=9.0, dropouts_per_hour=0.25, dropout_s=200.0,
        jump_share=0.0008, duplicate_share=0.004, late_share=0.01,
        silences=tuple((index[d], at(day, a), at(day, b)) for d, a, b in silences),
        drawers=tuple((index[d], at(day, a), at(day, b)) for d, a, b in drawers),
    )  # fmt: skip
    interval = rng.choice([10.0, 15.0, 20.0, 30.0], p=[0.25, 0.35, 0.25, 0.15], size=len(moved.devices))
    seen = degrade(county.graph, moved, how, rng=rng, interval_s=interval)
    companions = {d: b.car for b in staff.beats if b.car and working for d in b.devices}
    seen = ride_along(seen, {d: index[car] for d, car in companions.items()}, rng=rng, noise_m=6.0)
    return Day(moved, seen, _bearers(staff, special=special), silences, drawers, companions)


def _beat(county: County, beat: Beat, day: date, rng: np.random.Generator) -> list[Patroller]:
    """Members take the windows in turn; a car carries both, and the car's own device is the one that is simulated."""
    skip, hurry = CARE.get(beat.unit, FAIR)
    bearers = (beat.car,) if beat.car else beat.devices
    tasks: list[list[Task]] = [[] for _ in bearers]
    for w, (start, end) in enumerate(WINDOWS[beat.cadence]):
        if beat.cadence == "day" and w == 1 and rng.random() < 0.6:  # noqa: PLR2004 (most go round only once)
            continue
        chosen = [k for k in beat.stretches if rng.random() >= skip]
        edges = np.array([e for k in chosen for e in county.stretches[k].edges], dtype=np.int64)
        cut = rng.random(len(edges)) >= skip / 4
        speed = 16.0 if beat.mode == "vehicle" and rng.random() < hurry * 2 else 8.5 if rng.random() < hurry else None
        late = start + float(rng.uniform(0.0, 0.12)) * (end - start)
        task = Task(at(day, late), at(day, end), edges[cut], 1, speed if beat.mode != "foot" else None)
        tasks[w % len(bearers)].append(task)
    pace = SPEED_MPS[beat.mode] * float(rng.uniform(0.9, 1.1))
    return [
        Patroller(d, MODES[beat.mode], pace, tuple(t), stop_share=0.03)
        for d, t in zip(bearers, tasks, strict=True)
        if t
    ]


def segments_of_grids(county: County, table: str, *, reach_m: float) -> dict[str, npt.NDArray[np.int64]]:
    """Road segments whose middle lies in a grid or within some metres of it, by grid."""
    roads = county.tables["road_edges"]
    tree = shapely.STRtree(shapely.line_interpolate_point(roads.geometry.to_numpy(), 0.5, normalized=True))
    grids = county.tables[table]
    open_to = ~roads["source_class"].isin(OFFICES).to_numpy()
    out = {}
    for grid_id, ring in zip(grids["grid_id"], grids.geometry, strict=True):
        found = np.sort(tree.query(ring.buffer(reach_m), predicate="contains"))
        out[grid_id] = found[open_to[found]]
    return out


def _rounds(
    county: County,
    rounds: list[Round],
    table: str,
    day: date,
    hours: tuple[tuple[float, float], ...],
    times: int,
    rng: np.random.Generator,
) -> list[Patroller]:
    """Rounds of grids: each takes a slice of the grid's roads, from west to east, and a few leave something out every time."""
    of_grid = segments_of_grids(county, table, reach_m=18.0)
    middle_x = (county.graph.node_x[county.graph.seg_u] + county.graph.node_x[county.graph.seg_v]) / 2
    out = []
    for r in rounds:
        mine = of_grid[r.grid_id]
        mine = np.array_split(mine[np.argsort(middle_x[mine], kind="stable")], r.parts)[r.part]
        lazy = rng.random() < 0.18  # noqa: PLR2004 (one in six leaves a tenth out, always the same)
        if lazy:
            mine = mine[rng.random(len(mine)) >= 0.1]  # noqa: PLR2004 (see above)
        tasks = tuple(Task(at(day, a + float(rng.uniform(0, 0.2))), at(day, b), mine, times) for a, b in hours)
        pace = SPEED_MPS[r.mode] * float(rng.uniform(0.85, 1.15))
        out.append(Patroller(str(r.device), MODES[r.mode], pace, tasks, stop_share=0.02))
    return out


def _bearers(staff: Staff, *, special: bool) -> tuple[tuple[str, str, float | None, float | None], ...]:
    """Who carried what: both members have a car's device, two collectors share a phone, one's phone is with the substitute."""
    rows: list[tuple[str, str, float | None, float | None]] = []
    for b in staff.beats:
        rows += [(d, p.person_id, None, None) for d, p in zip(b.devices, b.members, strict=True)]
        rows += [(b.car, p.person_id, None, None) for p in b.members if b.car]
    for r in (*staff.collectors, *staff.members):
        if r.device:
            rows.append((r.device, r.person.person_id, None, None))
    if special:
        first, second, away, stand_in = shared_and_leave(staff)
        rows = [r for r in rows if r[0] not in {first.device, away.device}]
        rows += [
            (str(first.device), first.person.person_id, None, 12.25),
            (str(first.device), second.person.person_id, 12.25, None),
        ]
        rows.append((str(away.device), stand_in.person.person_id, None, None))
    return tuple(rows)


def shared_and_leave(staff: Staff) -> tuple[Round, Round, Round, Round]:
    """Collectors of the day's incidents: who shares a phone in the morning and in the afternoon, who is on leave, who stands in."""
    c = staff.collectors
    return c[3], c[4], c[10], c[11]


def truth_passes(county: County, day: Day) -> pd.DataFrame:
    """Every true pass: device, edge, from and to in millimetres, entering and leaving (UTC)."""
    p = day.moved.passes
    return pd.DataFrame(
        {
            "device_id": np.array(p.devices, dtype=object)[p.device_ix],
            "edge_id": county.tables["road_edges"]["edge_id"].to_numpy()[p.segment_ix],
            "from_mm": p.from_mm,
            "to_mm": p.to_mm,
            "enter": pd.to_datetime(p.enter_ms, unit="ms", utc=True),
            "leave": pd.to_datetime(p.leave_ms, unit="ms", utc=True),
        }
    )


def truth_presence(day: Day) -> pd.DataFrame:
    """True presence: from when to when each device's bearer was out, and when the phone kept silent or lay in a drawer."""
    rows = [
        {"device_id": d, "state": "present", "from": int(a), "to": int(b), "with": None}
        for d, a, b in zip(day.moved.devices, day.moved.starts_ms, day.moved.ends_ms, strict=True)
    ]
    rows += [
        {"device_id": d, "state": "companion", "from": None, "to": None, "with": w} for d, w in day.companions.items()
    ]
    base = pd.Timestamp(int(day.moved.starts_ms.min()), unit="ms", tz="UTC").tz_convert(ZONE).normalize()
    for state, spans in (("silent", day.silences), ("drawer", day.drawers)):
        for d, a, b in spans:
            ends = [int((base + pd.Timedelta(hours=h)).timestamp() * 1000) for h in (a, b)]
            rows.append({"device_id": d, "state": state, "from": ends[0], "to": ends[1], "with": None})
    frame = pd.DataFrame(rows)
    for column in ("from", "to"):
        frame[column] = pd.to_datetime(frame[column].astype("Int64"), unit="ms", utc=True)
    return frame
