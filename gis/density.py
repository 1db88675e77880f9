"""Inspector density: required, allocated, on duty and present, per work grid, town, zone and county.

required = area / figure on the ellipsoid, exactly or rounded up in each of the smallest areas (`density.quotient`); sums of grids are
sums of theirs, ground that two of them hold counted once (for the smaller code, as its streets are). The verdict takes the persons
allocated or those on duty (`density.verdict`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyproj
import shapely

from gis.calendar import total_ms
from gis.crew import column_text
from gis.ground import ZONES, area_km2, overlaps, whole_polygons, without_slivers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import geopandas as gpd
    import numpy.typing as npt

    from gis.crew import Crew
    from gis.ground import Overlaps
    from gis.presence import Presence
    from gis.standard import DensityRule, Standard, Zone

_EXACT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The smallest areas that figures are computed on: work grids, or towns where there are no grids.

    Attributes:
        ids, names, zones, towns: per part; a zone that no map names is empty.
        shapes: EPSG:4326.
        area: km².
        zone_area: per part, km² of each zone.
        shared: ground that two of them hold.
        zone_shapes: of towns that several zones share, the ground of each zone; empty where each part is of one zone.
    """

    level: str
    ids: list[str]
    names: list[str]
    zones: list[str]
    towns: list[str]
    shapes: Sequence[shapely.Geometry]
    area: npt.NDArray[np.float64]
    zone_area: list[dict[str, float]]
    shared: Overlaps
    zone_shapes: dict[str, shapely.Geometry]


def density(
    crew: Crew,
    presence: Presence | None,
    standard: Standard,
    *,
    work_grids: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame,
    crs: pyproj.CRS,
    town_names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Contract `density`.

    Persons are those with a role of the density rules. *Allocated*: named for a work grid (split evenly among several), else counted for
    their town; who only stands in for somebody on leave is not named. *On duty*: allocated persons weighted by the share of their watch
    hours that they were not on leave. *Present*: their
    time-averaged number in the area within their watch hours, from positions (`gis.presence`).
    Without any roster every verdict is `undecided`: the required figures stand alone.

    Args:
        crew: the roster of the day with silences.
        presence: `presence_of` the day's fixes; None: nobody is present.
        standard: figures and assumptions.
        work_grids: contract; empty: towns are the smallest areas.
        areas: contract; kinds town, central, fringe are read.
        crs: metric CRS of the presence.
        town_names: town id -> name.
    """
    rules = {r.zone: r for r in standard.density_rules().values()}
    parts = _parts(work_grids, areas)
    if not parts.ids or not rules:
        return _frame([])
    roles = {role for r in rules.values() for role in r.roles}
    people = crew.of_roles(roles)
    allocated, on_duty, loose = _allocation(crew, people, parts)
    present = _present(presence, parts, crs)
    required = [_required(z, rules, standard) for z in parts.zone_area]
    names = dict(town_names or {})
    names |= {i: n for i, n in zip(parts.ids, parts.names, strict=True) if parts.level == "town"}
    rows = []
    if parts.level == "work_grid":
        rows += [
            ("work_grid", parts.ids[i], parts.names[i], _zone_name(parts.zone_area[i]), [i], allocated[i], on_duty[i])
            for i in range(len(parts.ids))
        ]
    rows += _groups("town", parts.towns, names, parts, allocated, on_duty, loose)
    rows += _groups("zone", parts.zones, {"central": "中心城区", "fringe": "城郊结合部"}, parts, allocated, on_duty, {})
    total = (float(sum(x[0] for x in loose.values())), float(sum(x[1] for x in loose.values())))
    everything = list(range(len(parts.ids)))
    rows.append(
        (
            "county",
            "county",
            "全县",
            _zone_name(_sum(parts, everything)),
            everything,
            sum(allocated) + total[0],
            sum(on_duty) + total[1],
        )
    )
    found = _frame([_row(r, parts, required, present, rules, standard) for r in rows])
    if not crew.persons:  # no roster was supplied: nobody is known to be missing
        found["verdict"] = "undecided"
    return found


def _parts(work_grids: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> _Parts:
    if len(work_grids):
        shapes = list(work_grids.geometry)
        area = area_km2(shapes)
        zones = [z if z in {"central", "fringe"} else "" for z in column_text(work_grids, "level")]
        held = [{z: float(a)} for z, a in zip(zones, area, strict=True)]
        names = [
            n or i for n, i in zip(column_text(work_grids, "name"), column_text(work_grids, "grid_id"), strict=True)
        ]
        return _Parts(
            "work_grid",
            column_text(work_grids, "grid_id"),
            names,
            zones,
            column_text(work_grids, "town_id"),
            shapes,
            area,
            held,
            overlaps(whole_polygons(shapes)),
            {},
        )
    towns = areas[areas["kind"] == "town"] if len(areas) else areas
    shapes = [shapely.make_valid(g) for g in towns.geometry] if len(towns) else []
    area = area_km2(shapes)
    overlay = {z: _zone_shape(areas, z) for z in ZONES}
    both = np.array([overlay["central"], overlay["fringe"]], dtype=object)
    shared = without_slivers(shapely.intersection(both[:1], both[1:]))[0]
    if not shapely.is_empty(shared):  # what is of both is of the centre
        overlay["fringe"] = shapely.difference(overlay["fringe"], shared)
    held = []
    for shape, whole in zip(shapes, area.tolist(), strict=True):
        cut = {
            z: float(area_km2([shapely.intersection(shape, o)])[0])
            for z, o in overlay.items()
            if not shapely.is_empty(o)
        }
        held.append(cut or {"": whole})
    ids = column_text(towns, "area_id") if len(towns) else []
    names = [n or i for n, i in zip(column_text(towns, "name"), ids, strict=True)] if len(towns) else []
    zones = [next(iter(h)) if len(h) == 1 else "mixed" for h in held]
    return _Parts("town", ids, names, zones, ids, shapes, area, held, overlaps(whole_polygons(shapes)), overlay)


def _zone_shape(areas: gpd.GeoDataFrame, zone: str) -> shapely.Geometry:
    mine: list[shapely.Geometry] = list(areas.geometry[areas["kind"] == zone]) if len(areas) else []
    return shapely.union_all([shapely.make_valid(g) for g in mine])


def _counted_twice(parts: _Parts, members: Sequence[int]) -> dict[int, dict[str, float]]:
    """Ground (km² by zone) that each of some parts holds beyond their union: that of two of them is the smaller code's."""
    mine = np.isin(parts.shared.first, members) & np.isin(parts.shared.second, members)
    beyond: dict[int, list[shapely.Geometry]] = {}
    for k in np.flatnonzero(mine).tolist():
        loser = max(int(parts.shared.first[k]), int(parts.shared.second[k]), key=lambda i: (parts.ids[i], i))
        beyond.setdefault(loser, []).append(parts.shared.shape[k])
    out: dict[int, dict[str, float]] = {}
    for i, shapes in beyond.items():
        ground = shapely.union_all(shapes)
        for zone in parts.zone_area[i]:
            held = shapely.intersection(ground, parts.zone_shapes[zone]) if zone in parts.zone_shapes else ground
            out.setdefault(i, {})[zone] = float(area_km2([held])[0])
    return out


def _required(zones: Mapping[str, float], rules: Mapping[Zone, DensityRule], standard: Standard) -> float:
    """Sum of area / figure over the zones; an area without a zone is taken as the standard assumes."""
    total = 0.0
    for zone, km2 in zones.items():
        rule = rules.get(zone or standard.density.unzoned.value)  # type: ignore[call-overload]  # a name that is no zone has no rule
        total += km2 / rule.km2_per_person if rule is not None else 0.0
    return total


def _whole(persons: float, standard: Standard) -> float:
    """What one of the smallest areas requires: as it is, or rounded up (`density.quotient`)."""
    return float(np.ceil(persons - _EXACT)) if standard.density.quotient.value == "ceiling" else persons


def _zone_name(zones: Mapping[str, float]) -> str | None:
    known = sorted(z for z, km2 in zones.items() if z and km2 > 0)
    if not known:
        return None
    return known[0] if len(known) == 1 else "mixed"


def _sum(parts: _Parts, members: Sequence[int]) -> dict[str, float]:
    out: dict[str, float] = {}
    for i in members:
        for zone, km2 in parts.zone_area[i].items():
            out[zone] = out.get(zone, 0.0) + km2
    return out


def _allocation(
    crew: Crew, people: Sequence[int], parts: _Parts
) -> tuple[list[float], list[float], dict[str, tuple[float, float]]]:
    """Allocated and on-duty persons per part, and those of a town who are named for no part."""
    place = {g: i for i, g in enumerate(parts.ids)}
    named: dict[int, set[int]] = {}
    for d in crew.duties:
        if (
            d.target_kind == "work_grid"
            and d.target_id in place
            and d.duty_kind == "responsible"
            and not d.stands_in
            and parts.level == "work_grid"
        ):
            named.setdefault(d.person_ix, set()).add(place[d.target_id])
    allocated, on_duty = [0.0] * len(parts.ids), [0.0] * len(parts.ids)
    loose: dict[str, tuple[float, float]] = {}
    for p in people:
        person = crew.persons[p]
        hours = total_ms(person.rostered)
        share = total_ms(person.watch) / hours if hours else 0.0
        grids = sorted(named.get(p, ()))
        if not grids and parts.level == "town" and person.town_id in place:
            grids = [place[person.town_id]]
        for g in grids:
            allocated[g] += 1 / len(grids)
            on_duty[g] += share / len(grids)
        if not grids:
            a, o = loose.get(person.town_id, (0.0, 0.0))
            loose[person.town_id] = (a + 1, o + share)
    return allocated, on_duty, loose


def _present(presence: Presence | None, parts: _Parts, crs: pyproj.CRS) -> npt.NDArray[np.float64]:
    """Time-averaged number of persons per part; a place in two parts counts in the first."""
    out = np.zeros(len(parts.ids))
    if presence is None or not len(presence.persons):
        return out
    lon, lat = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(*presence.xy.T)
    point, part = shapely.STRtree(parts.shapes).query(shapely.points(lon, lat), predicate="intersects")
    order = np.lexsort((part, point))
    point, part = point[order], part[order]
    first = np.ones(len(point), dtype=np.bool_)
    first[1:] = point[1:] != point[:-1]
    np.add.at(out, part[first], presence.persons[point[first]])
    return out


_Row = tuple[str, str, str, str | None, list[int], float, float]


def _groups(
    level: str, keys: Sequence[str], names: Mapping[str, str], parts: _Parts, allocated: Sequence[float], on_duty: Sequence[float],
    loose: Mapping[str, tuple[float, float]],
) -> list[_Row]:  # fmt: skip
    out: list[_Row] = []
    for key in sorted({k for k in keys if k}):
        members = [i for i, k in enumerate(keys) if k == key]
        a, o = loose.get(key, (0.0, 0.0))
        zone = _zone_name(_sum(parts, members))
        out.append((level, key, names.get(key) or key, zone, members, sum(allocated[i] for i in members) + a,
                    sum(on_duty[i] for i in members) + o))  # fmt: skip
    return out


def _row(
    row: _Row, parts: _Parts, required: Sequence[float], present: npt.NDArray[np.float64], rules: Mapping[Zone, DensityRule],
    standard: Standard,
) -> tuple[object, ...]:  # fmt: skip
    level, key, name, zone, members, allocated, on_duty = row
    twice = _counted_twice(parts, members)
    need = sum(_whole(required[i] - _required(twice.get(i, {}), rules, standard), standard) for i in members)
    area = float(parts.area[members].sum()) - sum(km2 for ground in twice.values() for km2 in ground.values())
    unzoned = any(not z and km2 > 0 for i in members for z, km2 in parts.zone_area[i].items())
    held = allocated if standard.density.verdict.value == "allocated" else on_duty
    verdict = "enough" if held >= need - _EXACT else "short"
    return (
        level, key, name, zone, area, need, allocated, on_duty, float(present[members].sum()),
        max(0.0, need - held), "undecided" if unzoned else verdict,
    )  # fmt: skip


_COLUMNS = (
    "level",
    "area_id",
    "name",
    "zone",
    "area_km2",
    "required",
    "allocated",
    "on_duty",
    "present",
    "gap",
    "verdict",
)


def _frame(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(_COLUMNS))
