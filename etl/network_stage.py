"""The network of a day: built once for the editions that it rests on, stored, and read again by every later audit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

from etl.code_version import code_sha256
from etl.inputs import match_settings, metric_crs, network_settings
from etl.layers_told import LAID_ON_EACH_OTHER, network_notes
from etl.network_cache import keep, kept
from gis.calendar import day_bounds
from gis.matching import Matcher
from gis.network import Network, build_network, network_from_tables, network_to_tables
from gis.network.squads import owners_of_day, with_owners

if TYPE_CHECKING:
    import pyproj

    from etl.inputs import DayTables
    from gis.network.squads import Owners
    from gis.standard import Standard
    from layers.city import City
    from layers.store.base import Store

RESTS_ON = ("road_edges", "areas", "work_grids", "community_grids", "responsibilities")
DERIVED = ("network_notes", "sections", "segments")  # the last one stored tells that all are


class Networks:
    """The network of the last day asked for and its matcher, so that days that share a network read and index it once."""

    def __init__(self, city: City, store: Store, standard: Standard) -> None:
        self._city, self._store, self._standard = city, store, standard
        self._held: tuple[str, Network] | None = None
        self._matcher: Matcher | None = None

    def of(self, tables: DayTables) -> tuple[Network, str]:
        """The network in force on a day and its edition id (see `network_for`).

        Raises:
            InputError: the roads cannot make a network.
        """
        edition_id = _edition_id(self._city, tables, self._standard)
        if self._held is None or self._held[0] != edition_id:
            self._held = self._matcher = None  # not two networks at once
            self._held = (edition_id, network_for(self._city, self._store, tables, self._standard)[0])
        return self._held[1], edition_id

    def matcher(self, network: Network) -> Matcher:
        """The matcher of the network that `of` gave last."""
        if self._matcher is None or self._matcher.graph is not network.graph:
            self._matcher = Matcher(network.graph, settings=match_settings(self._city))
        return self._matcher


def network_for(city: City, store: Store, tables: DayTables, standard: Standard) -> tuple[Network, str]:
    """The network in force on a day and its edition id; derived and stored at the first audit that needs it.

    Raises:
        InputError: the roads cannot make a network.
    """
    edition_id, settings = _edition_id(city, tables, standard), network_settings(city, standard)
    crs = metric_crs(city, tables)
    if any(e.edition_id == edition_id for e in store.editions("segments")):
        network = kept(store.cache, edition_id, crs) or _read(store, edition_id, crs)
        notes = tuple(
            {str(k): v for k, v in row.items()} for row in store.read("network_notes", edition_id).to_dict("records")
        )
        return _with_notes(network, notes), edition_id
    network = build_network(
        gpd.GeoDataFrame(tables["road_edges"]),
        metric_crs=crs,
        rule_of_class=standard.rule_of_class(),
        areas=gpd.GeoDataFrame(tables["areas"]),
        work_grids=gpd.GeoDataFrame(tables["work_grids"]),
        community_grids=gpd.GeoDataFrame(tables["community_grids"]),
        responsibilities=tables["responsibilities"],
        settings=settings,
    )
    network = with_owners(network, _owners(city, tables), tables["responsibilities"], settings=settings)
    segments, sections = network_to_tables(network)
    notes = (*network.notes, *network_notes({t: tables[t] for t in LAID_ON_EACH_OTHER}))
    told = pd.DataFrame(notes, columns=["code", "count", "zh", "en"])
    for table, frame in zip(DERIVED, (told, sections, segments), strict=True):
        store.put_derived(table, frame, edition_id=edition_id, valid_from=tables.day)
    # As every later audit will read it: the first one sees the same rows in the same order.
    derived = network_from_tables(segments, sections, metric_crs=crs)
    keep(store.cache, edition_id, derived)
    return _with_notes(derived, notes), edition_id


def _read(store: Store, edition_id: str, crs: pyproj.CRS) -> Network:
    """The network from its stored tables, kept in the cache for the next time."""
    segments, sections = (gpd.GeoDataFrame(store.read(t, edition_id)) for t in ("segments", "sections"))
    network = network_from_tables(segments, sections, metric_crs=crs)
    keep(store.cache, edition_id, network)
    return network


def _with_notes(network: Network, notes: tuple[dict[str, object], ...]) -> Network:
    return Network(
        network.graph,
        network.segments,
        network.sections,
        network.seg_section,
        network.seg_measure_from_mm,
        network.seg_measure_to_mm,
        notes,
    )


def _owners(city: City, tables: DayTables) -> Owners:
    """What decides which squad owns a section on the day."""
    start_ms, end_ms = day_bounds(tables.day, city.zone)
    return owners_of_day(
        tables["responsibilities"], tables["persons"], tables["units"], start_ms=start_ms, end_ms=end_ms
    )


def _edition_id(city: City, tables: DayTables, standard: Standard) -> str:
    """Hash of all that the network follows from."""
    what = {
        "editions": {t: tables.editions.get(t) for t in RESTS_ON},
        "settings": asdict(network_settings(city, standard)),
        "crs": metric_crs(city, tables).to_wkt(),
        "rules": standard.rule_of_class(),
        "owners": _owners(city, tables).facts(),
        "code": code_sha256("gis.network", "etl.alignment", "etl.layers_told"),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
