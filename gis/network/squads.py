"""The squad that a section belongs to: that of its work grid, else that of the persons named for it, else the one that serves its town.

One decision, made where the network is derived and stored with each section together with where it comes from (`unit_source`): roll-ups,
scopes, desks and exports all read it there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.network.responsible import resolve_responsibilities
from gis.network.tables import SECTION_COLUMNS, SECTION_TEXT, stored_dtypes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gis.network.model import Network
    from gis.network.settings import NetworkSettings

GRID, PERSON, TOWN = "work_grid", "responsible", "town"


@dataclass(frozen=True, slots=True)
class Owners:
    """What of a roster and its units decides who owns a section on one day.

    Attributes:
        known: ids of the units; empty where no units are loaded, and then every id is taken as it is written.
        of_person: person → squad, of those who are in force that day.
        of_town: town → the one squad that serves it; a town with several squads, or none, is left out.
        rows: responsibility_id of the rows in force that day that name a person for a section.
    """

    known: frozenset[str] = frozenset()
    of_person: Mapping[str, str] = field(default_factory=dict)
    of_town: Mapping[str, str] = field(default_factory=dict)
    rows: frozenset[str] = frozenset()

    def facts(self) -> dict[str, object]:
        """The same as JSON values, in a fixed order: what the owners follow from."""
        return {
            "known": sorted(self.known),
            "of_person": sorted(self.of_person.items()),
            "of_town": sorted(self.of_town.items()),
            "rows": sorted(self.rows),
        }


def _text(frame: pd.DataFrame, column: str) -> list[str]:
    return frame[column].astype(object).where(frame[column].notna(), "").astype(str).tolist()


def _in_force(frame: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Rows that hold at any time between two moments."""
    held = np.ones(len(frame), dtype=bool)
    if "valid_from" in frame:
        held &= ~(pd.to_datetime(frame["valid_from"], utc=True) >= end).to_numpy(dtype=bool)
    if "valid_to" in frame:
        held &= ~(pd.to_datetime(frame["valid_to"], utc=True) <= start).to_numpy(dtype=bool)
    return frame[held]


def owners_of_day(
    responsibilities: pd.DataFrame, persons: pd.DataFrame, units: pd.DataFrame, *, start_ms: int, end_ms: int
) -> Owners:
    """What decides who owns a section on the day between two moments (UTC ms).

    Args:
        responsibilities: the `responsibilities` contract.
        persons: the `persons` contract.
        units: the `units` contract; of a person's unit its nearest squad counts, itself included.
        start_ms: the day's beginning.
        end_ms: its end.
    """
    start, end = (pd.Timestamp(ms, unit="ms", tz="UTC") for ms in (start_ms, end_ms))
    named = _in_force(responsibilities, start, end)
    named = named[(named["target_kind"] == "section") & (named["duty_kind"] == "responsible")]
    wanted = set(_text(named, "person_id")) - {""}
    people = _in_force(persons, start, end)
    people = people[people["person_id"].isin(list(wanted))]
    squads = _Squads(units)
    of_person = {
        p: s
        for p, u in zip(_text(people, "person_id"), _text(people, "unit_id"), strict=True)
        if (s := squads.above(u))
    }
    return Owners(squads.known, of_person, squads.of_town(), frozenset(_text(named, "responsibility_id")))


class _Squads:
    """The units, and which of them are squads."""

    def __init__(self, units: pd.DataFrame) -> None:
        ids = _text(units, "unit_id")
        self.known = frozenset(ids)
        self._kind = dict(zip(ids, _text(units, "kind"), strict=True))
        self._parent = dict(zip(ids, _text(units, "parent_id"), strict=True)) if "parent_id" in units else {}
        self._town = dict(zip(ids, _text(units, "town_id"), strict=True)) if "town_id" in units else {}

    def above(self, unit: str) -> str:
        """The nearest squad at or above a unit; empty where there is none, and the unit itself where no units are loaded."""
        if not self.known:
            return unit
        seen: set[str] = set()
        while unit and unit not in seen:
            if self._kind.get(unit) == "squad":
                return unit
            seen.add(unit)
            unit = self._parent.get(unit, "")
        return ""

    def of_town(self) -> dict[str, str]:
        """Town → its only squad: one that names the town, or whose parent is the town's own unit."""
        serving: dict[str, set[str]] = defaultdict(set)
        for unit, kind in self._kind.items():
            parent = self._parent.get(unit, "")
            town = self._town.get(unit, "") or (self._town.get(parent, "") if self._kind.get(parent) == "town" else "")
            if kind == "squad" and town:
                serving[town].add(unit)
        return {town: next(iter(squads)) for town, squads in serving.items() if len(squads) == 1}


def with_owners(
    network: Network, owners: Owners, responsibilities: pd.DataFrame, *, settings: NetworkSettings | None = None
) -> Network:
    """The network with `unit_id` and `unit_source` of every section decided.

    The unit of the work grid stands where it is a known one. Else the squad to which most of the persons named for the section belong
    (of equally many none), else the squad that serves the section's town, else none.

    Args:
        network: its sections hold the unit of their work grid.
        owners: of the day.
        responsibilities: the `responsibilities` contract, with which the network was built.
        settings: those that the network was built with.
    """
    sections = network.sections.copy()
    grid = np.array(_text(sections, "unit_id"), dtype=object)
    if owners.known:
        grid[~np.isin(grid.astype(str), list(owners.known))] = ""
    named = _by_persons(network, owners, responsibilities, settings)
    person = np.array([named.get(s, "") for s in _text(sections, "section_id")], dtype=object)
    town = np.array([owners.of_town.get(t, "") for t in _text(sections, "town_id")], dtype=object)
    held = [column != "" for column in (grid, person, town)]
    sections["unit_id"] = np.select(held, [grid, person, town], default="")
    sections["unit_source"] = np.select(held, [GRID, PERSON, TOWN], default="")
    return replace(network, sections=stored_dtypes(sections, SECTION_TEXT, SECTION_COLUMNS))


def _by_persons(
    network: Network, owners: Owners, responsibilities: pd.DataFrame, settings: NetworkSettings | None
) -> dict[str, str]:
    """Section → the squad of most of the persons named for it; sections of equally many are left out."""
    rows = responsibilities[responsibilities["responsibility_id"].astype(str).isin(list(owners.rows))]
    if not len(rows):
        return {}
    found = resolve_responsibilities(rows, network, settings=settings)
    found = found[found["resolved"]].drop_duplicates(["target_id", "person_id"])
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for section, person in zip(_text(found, "target_id"), _text(found, "person_id"), strict=True):
        if person in owners.of_person:
            votes[section][owners.of_person[person]] += 1
    out = {}
    for section, counts in votes.items():
        (first, most), *others = counts.most_common()
        if not others or others[0][1] < most:
            out[section] = first
    return out
