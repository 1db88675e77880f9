"""Map matching for anybody who needs only that: a file of positions in, a GeoPackage of routes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.track_files import table_of
from gis.errors import Fault, InputError, SettingsError, XunchaError
from gis.matching import SPARSE, Matcher, MatchSettings
from gis.model import Mode
from gis.network.model import Network
from gis.passes import routes
from gis.tracks import TrackSettings, prepare_fixes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import geopandas as gpd
    import numpy.typing as npt

    from gis.network.model import RoadGraph

COLUMNS = {"device": "device", "time": "time", "lon": "lon", "lat": "lat"}
# How long a metre seems where the way between far fixes is chosen, by the class a source gives (OSM's, or the Chinese grades); `road` is
# any other. Used by the profile `sparse`.
SPARSE_PREFERENCE = {
    "motorway": 0.75, "trunk": 0.7, "primary": 0.8, "secondary": 0.9, "tertiary": 1.0, "motorway_link": 0.81, "trunk_link": 0.81,
    "primary_link": 0.855, "secondary_link": 0.9, "tertiary_link": 0.945, "residential": 1.2, "living_street": 1.8,
    "高速公路": 0.75, "快速路": 0.7, "主干道": 0.8, "次干道": 0.9, "支路": 1.2, "road": 1.2,
}  # fmt: skip
PROFILES = ("patrol", "sparse")
_MS_FROM = 1e11  # a Unix time above this is in milliseconds (seconds reach it in the year 5138)


def read_track_points(path: Path, columns: Mapping[str, str] | None = None, *, zone: str | None = None) -> pa.Table:
    """Positions of a file: device (as written), t_ms (int64 UTC), lon, lat (float64).

    Args:
        path: CSV (.csv, .csv.gz, any encoding), .parquet, .xlsx, .gpx, or points of .geojson, .gpkg, .shp (WGS 84 after its own CRS).
        columns: names in the file of device, time, lon, lat; those left out are called so.
        zone: IANA zone of times that name none.

    Raises:
        InputError: no such file, missing columns, times or coordinates that cannot be read, naive times without a zone.
    """
    names = {**COLUMNS, **(columns or {})}
    if unknown := set(names) - set(COLUMNS):
        word = ", ".join(sorted(unknown))
        raise InputError(
            Fault(
                "match.columns",
                f"未知的列对应：{word}",
                f"unknown column key: {word}",
                f"可用：{'、'.join(COLUMNS)}",
                f"use {', '.join(COLUMNS)}",
            )
        )
    table = table_of(path, names)
    missing = [v for v in names.values() if v not in table.column_names]
    if missing:
        have = ", ".join(table.column_names)
        raise InputError(
            Fault(
                "match.column",
                f"缺少列 {c}（文件中有：{have}）",
                f"no column {c} (the file has: {have})",
                "用 --columns 指明",
                "name it with --columns",
                file=path.name,
                column=c,
            )
            for c in missing
        )
    return pa.table(
        {
            "device": table[names["device"]],
            "t_ms": pa.array(_times(table[names["time"]], path, names["time"], zone)),
            "lon": _degrees(table[names["lon"]], path, names["lon"]),
            "lat": _degrees(table[names["lat"]], path, names["lat"]),
        }
    )


def _degrees(column: pa.ChunkedArray, path: Path, name: str) -> pa.ChunkedArray:
    try:
        values = pc.cast(column, pa.float64())
    except pa.ArrowInvalid as problem:
        raise InputError(
            Fault(
                "match.number",
                f"列 {name} 不是数字",
                f"column {name} is no number: {problem}",
                "检查该列",
                "check the column",
                file=path.name,
                column=name,
            )
        ) from problem
    if values.null_count:
        row = int(np.flatnonzero(pc.is_null(values).to_numpy())[0]) + 2
        raise InputError(
            Fault(
                "match.empty",
                "缺少坐标",
                "a coordinate is missing",
                "补全或删除该行",
                "fill in or remove the row",
                file=path.name,
                row=row,
                column=name,
            )
        )
    return values


def _times(column: pa.ChunkedArray, path: Path, name: str, zone: str | None) -> npt.NDArray[np.int64]:
    """UTC milliseconds from Unix seconds (or milliseconds), timestamps, or ISO text."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        number = column.to_numpy().astype(np.float64)
        if not np.isfinite(number).all():
            row = int(np.flatnonzero(~np.isfinite(number))[0]) + 2
            raise InputError(
                Fault(
                    "match.empty",
                    "缺少时间",
                    "a time is missing",
                    "补全或删除该行",
                    "fill in or remove the row",
                    file=path.name,
                    row=row,
                    column=name,
                )
            )
        scale = 1.0 if len(number) and np.median(number) > _MS_FROM else 1000.0
        whole: npt.NDArray[np.int64] = np.rint(number * scale).astype(np.int64)
        return whole
    series = pd.Series(column.to_pandas())
    try:
        if pa.types.is_timestamp(column.type):
            stamps = series
        elif series.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True).all():
            stamps = pd.to_datetime(series, utc=True, format="ISO8601")
        else:
            stamps = pd.to_datetime(series, format="ISO8601")
        if stamps.isna().any():
            raise ValueError(series[stamps.isna()].index[0])  # noqa: TRY301 (turned into the fault below)
        if stamps.dt.tz is None:
            if zone is None:
                raise InputError(
                    Fault(
                        "match.zone",
                        "时间没有时区",
                        "times without a zone",
                        "写明时区，如 +08:00，或声明时区",
                        "write the zone, e.g. +08:00, or declare it",
                        file=path.name,
                        column=name,
                    )
                )
            stamps = stamps.dt.tz_localize(zone)
    except (ValueError, TypeError, AttributeError) as problem:
        raise InputError(
            Fault(
                "match.time",
                f"无法读懂列 {name} 中的时间",
                f"cannot read a time in column {name}: {problem}",
                "用 Unix 秒或 ISO 8601",
                "use Unix seconds or ISO 8601",
                file=path.name,
                column=name,
            )
        ) from problem
    return np.asarray(stamps.dt.tz_convert("UTC").astype("datetime64[ms, UTC]").astype("int64"), np.int64)


def profile_of(name: str) -> tuple[MatchSettings | None, TrackSettings | None]:
    """Settings of a profile: `patrol` for fixes up to some minutes apart (the defaults), `sparse` for fixes a kilometre and more apart.

    In `sparse` times only order the fixes: no speed is too high, no silence ends a track before an hour.

    Raises:
        SettingsError: no such profile.
    """
    if name == "patrol":
        return None, None
    if name == "sparse":
        return SPARSE, TrackSettings(split_s=3600.0, jump_mps=(200.0, 200.0, 200.0))
    known = "、".join(PROFILES)
    raise SettingsError(
        Fault("match.profile", f"没有配置 {name}", f"no profile {name}", f"可用：{known}", f"use {', '.join(PROFILES)}")
    )


def sparse_preference(network: Network) -> npt.NDArray[np.float32]:
    """What `SPARSE_PREFERENCE` says of every segment of a network."""
    kinds = network.segments["source_class"].astype(object)
    return kinds.map(SPARSE_PREFERENCE).fillna(SPARSE_PREFERENCE["road"]).to_numpy(np.float32)


def match_table(
    network: Network | RoadGraph,
    points: pa.Table,
    *,
    mode: Mode = Mode.VEHICLE,
    segment_ids: list[str] | None = None,
    preference: npt.NDArray[np.float32] | None = None,
    settings: MatchSettings | None = None,
    track_settings: TrackSettings | None = None,
    matcher: Matcher | None = None,
) -> gpd.GeoDataFrame:
    """Routes (see gis.passes.routes) of a table as `read_track_points` gives it; `track` keeps the type of the device column."""
    graph, ids = (
        (network.graph, list(network.segments["segment_id"]))
        if isinstance(network, Network)
        else (network, segment_ids)
    )
    engine = matcher or Matcher(graph, settings=settings, preference=preference)
    fixes = prepare_fixes(
        points["device"].cast(pa.string()), points["t_ms"].to_numpy(), points["lon"].to_numpy(), points["lat"].to_numpy(),
        crs=graph.crs, mode=mode, settings=track_settings,
    )  # fmt: skip
    found = routes(engine.match(fixes), graph, segment_ids=ids)
    if pa.types.is_integer(points["device"].type):
        found["track"] = found["track"].astype("int64")
    return found


def match_file(
    network: Network | RoadGraph,
    positions_path: Path,
    columns: Mapping[str, str] | None,
    out_path: Path,
    *,
    mode: Mode = Mode.VEHICLE,
    zone: str | None = None,
    **settings: Any,
) -> gpd.GeoDataFrame:
    """Matches a file of positions and writes the routes as a GeoPackage (layer `routes`, EPSG:4326).

    Args:
        network: the network, or a bare road graph.
        positions_path: CSV or Parquet (see read_track_points).
        columns: names in the file of device, time, lon, lat.
        out_path: the GeoPackage to write; one that is there is replaced.
        mode: how all devices move.
        zone: zone of times that name none.
        **settings: handed on to match_table.

    Returns:
        What was written: track, leg, state (seen, inferred), edges (ids in order), length_m, confidence, enter, leave, geometry.

    Raises:
        InputError: the file cannot be read, or nothing in it lies on the network.
    """
    points = read_track_points(positions_path, columns, zone=zone)
    found = match_table(network, points, mode=mode, **settings).to_crs(4326)
    if not len(found):
        raise InputError(
            Fault(
                "match.nothing",
                "没有任何轨迹落在路网上",
                "no track lies on the network",
                "检查坐标系和列名",
                "check the CRS and the column names",
                file=positions_path.name,
            )
        )
    try:
        out_path.unlink(missing_ok=True)
        found.to_file(out_path, layer="routes", driver="GPKG")
    except OSError as problem:
        raise XunchaError(
            Fault(
                "match.write",
                "无法写出结果",
                f"cannot write: {problem}",
                "检查输出目录",
                "check the output folder",
                file=out_path.name,
            )
        ) from problem
    return found
