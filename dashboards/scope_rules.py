"""Which rows of which table a scope may see: one rule a table of the contracts, none where nothing may be seen.

A table without a rule here is refused to every scope but the county's; a test keeps the list complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from dashboards.auth.principal import Scope

Mask = "npt.NDArray[np.bool_]"
Rule = Callable[[pd.DataFrame, "ScopeKeys"], Any]
Read = Callable[[str], pd.DataFrame]


@dataclass(frozen=True, slots=True, eq=False)
class ScopeKeys:
    """Ids that belong to one town or squad on one day."""

    towns: AbstractSet[str]
    units: AbstractSet[str]
    sections: AbstractSet[str]
    roads: AbstractSet[str]  # wholly inside
    grids: AbstractSet[str]
    community: AbstractSet[str]
    persons: AbstractSet[str]
    devices: AbstractSet[str]
    cases: AbstractSet[str]
    serving: AbstractSet[str]  # units of its own, and those of others that its streets and grids belong to: their names
    area: shapely.Geometry


def _in(column: str, keys: str) -> Rule:
    def rule(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
        return frame[column].isin(list(getattr(scope, keys))).to_numpy(dtype=bool)

    return rule


def _any(*rules: Rule) -> Rule:
    def rule(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
        return np.logical_or.reduce([r(frame, scope) for r in rules])

    return rule


def _everything(frame: pd.DataFrame, _scope: ScopeKeys) -> Any:
    return np.ones(len(frame), dtype=bool)


def _nothing(frame: pd.DataFrame, _scope: ScopeKeys) -> Any:
    return np.zeros(len(frame), dtype=bool)


def _inside(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
    """A point of each geometry lies in the scope's area."""
    places = shapely.point_on_surface(frame["geometry"].to_numpy())
    shapely.prepare(scope.area)
    return shapely.intersects(scope.area, places)


def _by_level(column: str, key: str, levels: dict[str, str]) -> Rule:
    """Rows of a table with a level column: each level's key must be in the set named for it; other levels are refused."""

    def rule(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
        seen = np.zeros(len(frame), dtype=bool)
        for level, keys in levels.items():
            here = (frame[column] == level).to_numpy(dtype=bool, na_value=False)
            seen |= here & frame[key].isin(list(getattr(scope, keys))).to_numpy(dtype=bool)
        return seen

    return rule


def _exception(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
    levels = {
        "section": "sections",
        "road": "roads",
        "work_grid": "grids",
        "community_grid": "community",
        "person": "persons",
    }
    own = _by_level("target_kind", "target_id", levels)(frame, scope)
    return own | (frame["target_kind"] == "all").to_numpy(dtype=bool, na_value=False)


def _responsibility(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
    levels = {"section": "sections", "work_grid": "grids", "community_grid": "community", "unit": "units"}
    targets = _by_level("target_kind", "target_id", levels)(frame, scope)
    return targets | _in("person_id", "persons")(frame, scope)


def _area(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
    town = (frame["kind"] == "town").to_numpy(dtype=bool, na_value=False)
    wide = frame["kind"].isin(["boundary", "scope", "central", "fringe"]).to_numpy(dtype=bool)
    return (town & _in("area_id", "towns")(frame, scope)) | (~town & ~wide & _inside(frame, scope))


def _finding(frame: pd.DataFrame, scope: ScopeKeys) -> Any:
    own = set().union(
        scope.sections, scope.grids, scope.community, scope.persons, scope.devices, scope.units, scope.towns
    )
    return frame["subject"].isin(list(own)).to_numpy(dtype=bool)


RULES: dict[str, Rule] = {
    "road_edges": _nothing,
    "work_grids": _in("grid_id", "grids"),
    "community_grids": _in("grid_id", "community"),
    "unit_grids": _in("community_grid_id", "community"),
    "areas": _area,
    "units": _in("unit_id", "serving"),
    "persons": _in("person_id", "persons"),
    "devices": _in("device_id", "devices"),
    "assignments": _in("person_id", "persons"),
    "responsibilities": _responsibility,
    "exceptions": _exception,
    "cases": _in("case_id", "cases"),
    "checkins": _in("person_id", "persons"),
    "scenes": _everything,  # imagery of the county, no one's data
    "segments": _in("section_id", "sections"),
    "sections": _in("section_id", "sections"),
    "network_notes": _nothing,  # counted over the whole county
    "section_windows": _in("section_id", "sections"),
    "section_days": _in("section_id", "sections"),
    "segment_days": _in("section_id", "sections"),
    "rollups": _by_level(
        "level",
        "key",
        {"town": "towns", "squad": "units", "road": "roads", "work_grid": "grids", "person": "persons"},
    ),
    "grid_days": _in("grid_id", "grids"),
    "grid_rounds": _in("grid_id", "grids"),
    "unvisited": _in("grid_id", "grids"),
    "community_windows": _any(_in("grid_id", "community"), _in("grid_id", "grids")),
    "density": _by_level("level", "area_id", {"work_grid": "grids", "town": "towns"}),
    "density_surface": _inside,
    "case_areas": _in("area_id", "grids"),
    "hotspots": _inside,
    "zonal": _any(_in("grid_id", "grids"), _in("grid_id", "community")),
    "zonal_change": _any(_in("grid_id", "grids"), _in("grid_id", "community")),
    "people": _in("person_id", "persons"),
    "device_days": _in("device_id", "devices"),
    "case_clocks": _in("case_id", "cases"),
    "unresolved": _in("person_id", "persons"),
    "findings": _finding,
}


PERSONAL = frozenset({"people", "device_days", "unresolved"})  # what one person or device did in a day, or is named for


def impersonal(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A result without its rows of single persons, for roles that see no tracks: neither their days nor their rates."""
    if table in PERSONAL:
        return frame.iloc[:0]
    if table == "rollups" and "level" in frame:
        return frame[frame["level"] != "person"].reset_index(drop=True)
    return frame


def visible(table: str, frame: pd.DataFrame, keys: ScopeKeys) -> pd.DataFrame:
    """Rows of a table that a scope may see, in their order."""
    rule = RULES.get(table, _nothing)
    return frame[rule(frame, keys)].reset_index(drop=True)


def _descendants(units: pd.DataFrame, roots: set[str]) -> set[str]:
    found = set(roots)
    while True:
        more = set(units.loc[units["parent_id"].isin(list(found)), "unit_id"]) - found
        if not more:
            return found
        found |= more


def _texts(frame: pd.DataFrame, column: str) -> set[str]:
    return set(frame[column].dropna().astype(str))


def _areas(scope: Scope, read: Read, grids: pd.DataFrame) -> shapely.Geometry:
    if scope.kind == "town":
        areas = read("areas")
        own = areas[(areas["kind"] == "town") & (areas["area_id"] == scope.key)]
        if len(own):
            return shapely.union_all(shapely.make_valid(own["geometry"].to_numpy()))
    return shapely.union_all(shapely.make_valid(grids["geometry"].to_numpy()))


def scope_keys(scope: Scope, read: Read) -> ScopeKeys:
    """Ids of a town or squad, from the tables in force on a day (`read` gives them whole)."""
    town = scope.kind == "town"
    units = read("units")
    roots = {scope.key} | (_texts(units[units["town_id"] == scope.key], "unit_id") if town else set())
    own_units = _descendants(units, roots)

    def own(table: str) -> pd.DataFrame:
        frame = read(table)
        return frame[frame["town_id"] == scope.key] if town else frame[frame["unit_id"].isin(list(own_units))]

    sections, grids, persons = own("sections"), own("work_grids"), read("persons")
    staff = persons[persons["unit_id"].isin(list(own_units)) | ((persons["town_id"] == scope.key) if town else False)]
    person_ids = _texts(staff, "person_id")
    section_ids = _texts(sections, "section_id")
    everywhere = read("sections")
    foreign = _texts(everywhere[~everywhere["section_id"].isin(list(section_ids))], "road_id")
    assignments = read("assignments")
    area = _areas(scope, read, grids)
    cases = read("cases")
    places = cases["geometry"].to_numpy()
    near = shapely.intersects(area, places) & cases["located"].to_numpy(dtype=bool, na_value=False)
    return ScopeKeys(
        towns=frozenset({scope.key}) if town else frozenset(),
        units=own_units,
        sections=section_ids,
        roads=_texts(sections, "road_id") - foreign,
        grids=_texts(grids, "grid_id"),
        community=_texts(own("community_grids"), "grid_id") if town else frozenset(),
        persons=person_ids,
        devices=_texts(assignments[assignments["person_id"].isin(list(person_ids))], "device_id"),
        cases=_texts(cases[near | cases["unit_id"].isin(list(own_units)).to_numpy(dtype=bool)], "case_id"),
        serving=own_units | _texts(sections, "unit_id") | _texts(grids, "unit_id"),
        area=area,
    )
