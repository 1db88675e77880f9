"""Who works in the invented county: units, beats with their members, collectors, grid members, and what each of them carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.sample import names
from etl.sample.places import GENERAL, IMPORTANT, STREET_OFFICES, TOWN_IDS

if TYPE_CHECKING:
    from etl.sample.centre import Stretch
    from etl.sample.county import County

HOURLY_M, TWO_HOURLY_M, DAILY_M = 5200.0, 8500.0, 12000.0  # what one beat can pass in its interval on an e-bike
COLLECTOR_DUTY = "07:00-11:30,13:00-18:00"


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the roster."""

    person_id: str
    name: str
    role: str
    unit_id: str
    town_id: str
    duty: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """Stretches that the same one or two members patrol at one cadence (`hour`, `two_hours`, `day`), with their devices."""

    unit: int
    cadence: str
    stretches: tuple[int, ...]
    members: tuple[Person, ...]
    devices: tuple[str, ...]
    car: str | None
    mode: str


@dataclass(frozen=True, slots=True)
class Round:
    """One collector's or grid member's part of a grid."""

    grid_id: str
    person: Person
    device: str | None
    mode: str
    part: int
    parts: int


@dataclass(slots=True)
class Staff:
    """Everybody, and what they carry."""

    units: list[dict[str, Any]] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    collectors: list[Round] = field(default_factory=list)
    members: list[Round] = field(default_factory=list)
    leaders: list[tuple[str, Person]] = field(default_factory=list)  # unit, squad leader
    devices: list[tuple[str, str, str]] = field(default_factory=list)  # id, kind, mode


def hire(county: County, *, rng: np.random.Generator) -> Staff:
    """The county's staff: enough in some places, too few in others."""
    staff = Staff(units=_units(county))
    crowd = iter(names.people(420, rng=rng))
    squad_names = (*names.SQUADS, *(f"{n[:2]}中队" for n in names.TOWNS))
    for unit, _ in enumerate(squad_names):
        unit_id, town_id = f"Z{unit + 1:02d}", _town_of(unit)
        leader = Person(f"ZF{unit + 1:02d}00", next(crowd), "squad_leader", unit_id, town_id)
        staff.persons.append(leader)
        staff.leaders.append((unit_id, leader))
        for cadence, capacity in (("hour", HOURLY_M), ("two_hours", TWO_HOURLY_M), ("day", DAILY_M)):
            mine = [k for k, s in enumerate(county.stretches) if unit_of(s) == unit and cadence_of(s) == cadence]
            for group in _chains(county, mine, capacity):
                _beat(staff, county, unit, cadence, group, crowd, rng)
    _collectors(staff, county, crowd, rng)
    _grid_members(staff, county, crowd, rng)
    return staff


def unit_of(s: Stretch) -> int:
    """Squad of a stretch: 0 east, 1 west, 2 south, 3 north, then the towns'."""
    if s.cell[0] < 0:
        return 3 - s.cell[0]
    x, y = s.at
    return 2 if y < 1000 else 3 if y > 3100 else 0 if x > 2350 else 1  # noqa: PLR2004 (the town's quarters)


def cadence_of(s: Stretch) -> str:
    """How often the policy wants it, as far as the sample plans patrols (the audit has its own rules)."""
    if s.road_class == "主干道" or (s.road, s.from_name) in IMPORTANT:
        return "hour"
    return "two_hours" if s.road_class == "次干道" or (s.road, s.from_name) in GENERAL else "day"


def length_m(county: County, stretch: int) -> float:
    """Length of a stretch."""
    return float(county.graph.seg_length_mm[list(county.stretches[stretch].edges)].sum()) / 1000


def _town_of(unit: int) -> str:
    return ("T01", "T02", "T01", "T02")[unit] if unit < len(names.SQUADS) else TOWN_IDS[unit - 2]


def _units(county: County) -> list[dict[str, Any]]:
    def row(unit_id: str, name: str, kind: str, parent: str | None, town: str | None = None) -> dict[str, Any]:
        return {"unit_id": unit_id, "name": name, "kind": kind, "parent_id": parent, "town_id": town}

    rows = [row("U00", f"{names.COUNTY}综合行政执法局", "county", None)]
    rows += [row(t, n, "town", "U00", t) for t, n in zip(TOWN_IDS, (*STREET_OFFICES, *names.TOWNS), strict=True)]
    squads = (*names.SQUADS, *(f"{n[:2]}中队" for n in names.TOWNS))
    rows += [row(f"Z{k + 1:02d}", n, "squad", "U00", _town_of(k)) for k, n in enumerate(squads)]
    grids = county.tables["community_grids"].drop_duplicates("community").sort_values("grid_id")
    rows += [
        row(f"C{g[2:5]}", c, "community", t, t)
        for g, c, t in zip(grids["grid_id"], grids["community"], grids["town_id"], strict=True)
    ]
    departments = (
        "市政公用中心",
        "园林绿化中心",
        "环境卫生中心",
        "交警大队",
        "市场监管局",
        "生态环境分局",
        "信息采集中心",
    )
    return rows + [row(f"D{k + 1:02d}", n, "department", "U00") for k, n in enumerate(departments)]


def _chains(county: County, stretches: list[int], capacity_m: float) -> list[list[int]]:
    """Neighbouring stretches in groups that one beat can pass."""
    left, groups = list(stretches), []
    while left:
        group = [left.pop(0)]
        total = length_m(county, group[0])
        while left:
            x, y = county.stretches[group[-1]].at
            near = min(left, key=lambda k: (county.stretches[k].at[0] - x) ** 2 + (county.stretches[k].at[1] - y) ** 2)
            if total + length_m(county, near) > capacity_m:
                break
            left.remove(near)
            group.append(near)
            total += length_m(county, near)
        groups.append(group)
    return groups


def _beat(
    staff: Staff, county: County, unit: int, cadence: str, group: list[int], crowd: Any, rng: np.random.Generator
) -> None:
    """One or two members; every third hourly beat of the centre has a car, village lanes are walked."""
    unit_id, town_id, serial = f"Z{unit + 1:02d}", _town_of(unit), sum(b.unit == unit for b in staff.beats) + 1
    car = cadence == "hour" and unit < len(names.SQUADS) and serial % 3 == 0
    lane = all(county.stretches[k].road_class == "村内道路" for k in group)
    commercial = cadence == "two_hours" and sum(length_m(county, k) for k in group) < 4000  # noqa: PLR2004 (short enough to walk)
    mode = "vehicle" if car else "foot" if lane or commercial else "ebike"
    count = 2 if car or rng.random() < 0.45 else 1  # noqa: PLR2004 (nearly half are pairs)
    members = tuple(
        Person(f"ZF{unit + 1:02d}{2 * serial + k:02d}", next(crowd), "squad_member", unit_id, town_id)
        for k in range(count)
    )
    devices = tuple(f"SJ-{p.person_id}" for p in members)
    staff.devices += [(d, "phone", "ebike" if mode == "vehicle" else mode) for d in devices]
    name = f"CL-{unit + 1:02d}{serial:02d}" if car else None
    if name:
        staff.devices.append((name, "vehicle", "vehicle"))
    staff.persons += members
    staff.beats.append(Beat(unit, cadence, tuple(group), members, devices, name, mode))


def _collectors(staff: Staff, county: County, crowd: Any, rng: np.random.Generator) -> None:
    """Collectors of the work grids: 38 in the centre and 22 in the fringe, a little fewer than the policy wants."""
    grids = county.tables["work_grids"]
    extra = {"central": 6, "fringe": 8}
    many = {
        level: set(rng.choice(np.flatnonzero(grids["level"] == level), size=n, replace=False).tolist())
        for level, n in extra.items()
    }
    for k, (grid_id, level, town_id) in enumerate(zip(grids["grid_id"], grids["level"], grids["town_id"], strict=True)):
        count = (2 if level == "central" else 1) + (k in many[level])
        mode = "foot" if rng.random() < (0.15 if level == "central" else 0.1) else "ebike"
        for part in range(count):
            n = len(staff.collectors) + 1
            person = Person(f"CJ{n:03d}", next(crowd), "collector", "D07", town_id, COLLECTOR_DUTY)
            staff.persons.append(person)
            staff.devices.append((f"CJ-{n:03d}", "phone", mode))
            staff.collectors.append(Round(grid_id, person, f"CJ-{n:03d}", mode, part, count))


def _grid_members(staff: Staff, county: County, crowd: Any, rng: np.random.Generator) -> None:
    """A leader in each community, a member in each grid; two in five carry a phone that reports."""
    grids = county.tables["community_grids"].sort_values("grid_id")
    seen: set[str] = set()
    for grid_id, community, town_id in zip(grids["grid_id"], grids["community"], grids["town_id"], strict=True):
        unit_id = f"C{grid_id[2:5]}"
        if community not in seen:
            seen.add(community)
            leader = Person(f"WZ{len(seen):03d}", next(crowd), "grid_leader", unit_id, town_id)
            staff.persons.append(leader)
            staff.leaders.append((grid_id, leader))
        n = len(staff.members) + 1
        person = Person(f"WG{n:03d}", next(crowd), "grid_member", unit_id, town_id)
        device = f"WG-{n:03d}" if rng.random() < 0.4 else None  # noqa: PLR2004 (see above)
        staff.persons.append(person)
        if device:
            staff.devices.append((device, "phone", "foot"))
        staff.members.append(Round(grid_id, person, device, "foot", 0, 1))
