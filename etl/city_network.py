"""A city's network straight from its files, for those who need no store: map matching alone, and the evaluation."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import geopandas as gpd

from etl.base import source_files
from etl.evaluate import Ground
from etl.inputs import DayTables, match_settings
from etl.load import load_city
from etl.match import match_file, profile_of, sparse_preference
from etl.network_stage import RESTS_ON, network_for
from gis.errors import Fault, InputError, SettingsError
from gis.model import MODES
from layers.standard_editions import standard_of
from layers.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from etl.base import Progress
    from gis.network import Network
    from layers.city import City, Source

FAR = date(2100, 1, 1)  # the latest edition of everything


@contextmanager
def network_of_files(
    city: City, *, tables: Sequence[str], optional: Sequence[str] = (), progress: Progress
) -> Iterator[tuple[Network, DayTables]]:
    """The network of a city's files in a store that lives only as long as it is needed.

    Args:
        city: the city file.
        tables: which tables to read.
        optional: of these, those that are left out where a source's file is not there (yet).
        progress: told how far it is.

    Raises:
        SettingsError: the city has no roads.
        InputError: a source cannot be read.
    """
    names = [s.name for s in city.sources if s.table in tables and (s.table not in optional or _there(s, city))]
    if not city.of_table("road_edges"):
        raise SettingsError(
            Fault(
                "city.roads",
                "城市文件没有道路来源",
                "the city file names no roads",
                '添加 table = "road_edges" 的来源',
                'add a source with table = "road_edges"',
                file=city.path.name,
            )
        )
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        store = open_store(f"embedded:{folder}", timezone=city.timezone)
        try:
            store.prepare()
            load_city(city, store, only=names, progress=progress)
            held = DayTables(store, FAR)
            network, _ = network_for(city, store, held, standard_of(city))
            yield network, held
        finally:
            store.close()


def _there(source: Source, city: City) -> bool:
    """Whether the files of a source exist."""
    try:
        source_files(source, city)
    except InputError:
        return False
    return True


def match_city(
    city: City,
    positions: Path,
    out: Path,
    *,
    columns: str | None,
    mode: str,
    progress: Progress,
    profile: str = "patrol",
) -> int:
    """Match a file of positions to the city's roads and write the routes.

    Args:
        city: its roads are matched to.
        positions: CSV, Parquet, XLSX, GPX, or points of a GIS file.
        out: GeoPackage to write.
        columns: `device=track,time=t,lon=lon,lat=lat`; None: as they are called here.
        mode: foot, ebike or vehicle.
        progress: told how far it is.
        profile: patrol (the city's settings), or sparse for fixes a kilometre and more apart.

    Returns:
        How many tracks were matched.

    Raises:
        SettingsError: mode, columns or profile are not of the form.
        InputError: roads or positions cannot be read.
    """
    if mode not in MODES:
        raise SettingsError(
            Fault("cli.mode", f"没有方式 {mode}", f"no mode {mode}", "foot、ebike 或 vehicle", "foot, ebike or vehicle")
        )
    settings, track_settings = profile_of(profile)
    with network_of_files(city, tables=("road_edges",), progress=progress) as (network, _):
        routes = match_file(
            network,
            positions,
            _columns(columns),
            out,
            mode=MODES[mode],
            zone=city.timezone,
            settings=settings or match_settings(city),
            track_settings=track_settings,
            preference=None if settings is None else sparse_preference(network),
        )
    return int(routes["track"].nunique())


def _columns(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [p.partition("=") for p in text.split(",")]
    if any(not eq or not name or not source for name, eq, source in pairs):
        raise SettingsError(
            Fault(
                "cli.columns",
                f"列对应写法不对：{text}",
                f"columns are not of the form: {text}",
                "device=track,time=t,lon=lon,lat=lat",
                "device=track,time=t,lon=lon,lat=lat",
            )
        )
    return {name.strip(): source.strip() for name, _, source in pairs}


@contextmanager
def ground_of(city: City, day: date, *, progress: Progress) -> Iterator[Ground]:
    """Where simulated days of a city take place; without the grids of a file that is not there."""
    optional = ("work_grids", "community_grids")
    with network_of_files(city, tables=RESTS_ON, optional=optional, progress=progress) as (network, held):
        found = {
            t: gpd.GeoDataFrame(held[t]) if held.has(t) else None for t in ("work_grids", "community_grids", "areas")
        }
        yield Ground(network, standard_of(city), city.zone, day, **found)
