"""Files as offices have them: GBK shapefile, GeoPackage, GeoJSON, workbooks with title rows, gzipped GB18030 text."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyogrio
import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import geopandas as gpd

    from gis.degrade import Observations

_MADE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC).replace(tzinfo=None)
_STAMP = "2026-01-05T01:00:00.000Z"


def write_roads(roads: gpd.GeoDataFrame, path: Path) -> None:
    """A shapefile in GBK that does not say so: no .cpg, no language mark."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"edge_id": "BH", "u": "QD", "v": "ZD", "source_class": "DLDJ", "name": "DLMC", "oneway": "DXTX", "bridge": "QL",
               "tunnel": "SD", "level": "CENG"}  # fmt: skip
    frame = roads.rename(columns=columns)[[*columns.values(), "geometry"]]
    pyogrio.write_dataframe(
        frame, path, driver="ESRI Shapefile", encoding="GBK", layer_options={"DBF_DATE_LAST_UPDATE": "2026-01-05"}
    )
    path.with_suffix(".cpg").unlink(missing_ok=True)
    dbf = path.with_suffix(".dbf")
    raw = bytearray(dbf.read_bytes())
    raw[29] = 0  # the language mark
    dbf.write_bytes(bytes(raw))


def write_geojson(frame: gpd.GeoDataFrame, path: Path, *, columns: Mapping[str, str]) -> None:
    """GeoJSON in WGS 84 with the office's headings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = frame.to_crs(4326).rename(columns=dict(columns))
    features = json.loads(named[[*columns.values(), "geometry"]].to_json(drop_id=True))["features"]
    for feature in features:
        feature["geometry"]["coordinates"] = _rounded(feature["geometry"]["coordinates"])
    body = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    return round(value, 7) if isinstance(value, float) else [_rounded(v) for v in value]


def write_gpkg(layers: Mapping[str, gpd.GeoDataFrame], path: Path) -> None:
    """A GeoPackage in the county's CRS, with a fixed time in its ledger so that the same county gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _STAMP})
    try:
        for name, frame in layers.items():
            pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG", append=path.exists())
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def write_book(sheets: Mapping[str, tuple[str, pd.DataFrame]], path: Path) -> None:
    """A workbook: each sheet has a title row, then the headings, then the rows; times are local."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm", "strings_to_formulas": False}) as book:
        book.set_properties({"title": path.stem, "created": _MADE})
        title, head = (
            book.add_format({"bold": True, "font_size": 14}),
            book.add_format({"bold": True, "border": 1, "bg_color": "#DDE8F0"}),
        )
        for name, (heading, frame) in sheets.items():
            sheet = book.add_worksheet(name)
            sheet.write(0, 0, heading, title)
            sheet.write_row(1, 0, list(frame.columns), head)
            for k, row in enumerate(frame.astype(object).where(frame.notna(), None).itertuples(index=False)):
                _write_row(sheet, k + 2, row)
            sheet.set_column(0, len(frame.columns) - 1, 18)
            sheet.freeze_panes(2, 0)


def _write_row(sheet: Any, at: int, row: Sequence[Any]) -> None:
    for c, value in enumerate(row):
        if isinstance(value, pd.Timestamp):
            sheet.write_datetime(at, c, value.to_pydatetime())
        elif value is not None:
            sheet.write(at, c, value)


def write_positions(seen: Observations, lon: Any, lat: Any, path: Path, *, stray: pd.DataFrame | None = None) -> int:
    """One day of positions as the platform's export has them; returns the rows written.

    Args:
        seen: the fixes.
        lon: float64 (F,), WGS 84.
        lat: float64 (F,), WGS 84.
        path: a .csv.gz.
        stray: further rows as text with the same headings, put among the others (naive times, impossible latitudes, unknown devices).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = np.array(seen.devices, dtype=object)[seen.device_ix]
    frame = pd.DataFrame(
        {
            "设备号": names,
            "定位时间": _clock(seen.t_ms),
            "上传时间": _clock(seen.arrived_ms),
            "经度": np.char.mod("%.6f", lon),
            "纬度": np.char.mod("%.6f", lat),
        }
    )
    frame = frame.iloc[np.argsort(seen.arrived_ms, kind="stable")]
    if stray is not None and len(stray):
        place = np.linspace(100, len(frame) - 1, len(stray)).astype(int)
        key = np.concatenate([np.arange(len(frame)) * 2, place * 2 + 1])
        frame = pd.concat([frame, stray], ignore_index=True).iloc[np.argsort(key, kind="stable")]
    text = frame.to_csv(index=False, lineterminator="\r\n")
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=raw, mtime=0) as out:
        out.write(text.encode("gb18030"))
    return len(frame)


def _clock(ms: Any) -> Any:
    """Local time of Shanghai to the second with its offset."""
    local = (np.asarray(ms) // 1000 + 8 * 3600).astype("datetime64[s]")
    return np.char.add(np.datetime_as_string(local, unit="s"), "+08:00")
