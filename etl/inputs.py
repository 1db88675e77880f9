"""What an audit of a day reads from the store: the editions in force that day, each table read once."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pyproj

from gis.crs import metric_crs_of
from gis.errors import Fault, ImpossibleError, SettingsError
from gis.matching import MatchSettings
from gis.network import NetworkSettings
from layers.contracts import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pandas as pd

    from gis.standard import Standard
    from layers.city import City
    from layers.store.base import Store

INPUT_TABLES = tuple(t.name for t in TABLES.values() if t.kind == "input")
S = TypeVar("S")


class DayTables:
    """The input tables in force on a day."""

    def __init__(self, store: Store, day: date) -> None:
        self.store = store
        self.day = day
        found = {t: e for t in INPUT_TABLES if (e := store.edition_at(t, day)) is not None}
        self.editions = {t: e.edition_id for t, e in found.items()}
        self._rows = {t: e.rows for t, e in found.items()}
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, table: str) -> pd.DataFrame:
        """A table; empty, with its columns, where nothing was loaded."""
        if table not in self._read:
            self._read[table] = self.store.read(table, self.editions.get(table))
        return self._read[table]

    def has(self, table: str) -> bool:
        """Whether anything of it was loaded."""
        return self._rows.get(table, 0) > 0

    @cached_property
    def places(self) -> tuple[float, float]:
        """Longitude and latitude of the middle of what was loaded: roads, else grids, areas or cases.

        Raises:
            ImpossibleError: nothing with a place.
        """
        for table in ("road_edges", "work_grids", "areas", "community_grids", "cases"):
            if self.has(table):
                x0, y0, x1, y1 = self.store.bounds(table, self.editions[table])
                return float(x0 + x1) / 2, float(y0 + y1) / 2
        raise ImpossibleError(
            Fault(
                "audit.nothing",
                f"{self.day} 没有任何带位置的数据",
                f"nothing with a place is loaded for {self.day}",
                "先运行 xuncha load city.toml",
                "first run xuncha load city.toml",
            )
        )


def metric_crs(city: City, tables: DayTables) -> pyproj.CRS:
    """The metric CRS of the city: as its file says, else by its place."""
    return pyproj.CRS(city.metric_crs) if city.metric_crs is not None else metric_crs_of(*tables.places)


def settings_of(kind: type[S], given: Mapping[str, Any], table: str) -> S:
    """A settings object from a table of the city file; lists become tuples.

    Raises:
        SettingsError: a key that the settings do not have.
    """
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - known)
    if unknown:
        raise SettingsError(
            [
                Fault(
                    "city.unknown_key",
                    f"[{table}] 没有设置 {key}",
                    f"[{table}] has no setting {key}",
                    f"可用：{'、'.join(sorted(known))}",
                    f"known: {', '.join(sorted(known))}",
                    column=key,
                )
                for key in unknown
            ]
        )
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})


def match_settings(city: City) -> MatchSettings:
    """Settings of map matching."""
    return settings_of(MatchSettings, city.matching, "matching")


def network_settings(city: City, standard: Standard) -> NetworkSettings:
    """Settings of the network step; whether each carriageway is asked for is the standard's to say (`measure.carriageways`)."""
    found = settings_of(NetworkSettings, city.network, "network")
    return replace(found, each_side=standard.measure.carriageways.value == "each")
