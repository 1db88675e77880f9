"""Files of positions as tables, whatever they are: CSV (plain or gzip, any encoding), Parquet, XLSX, GPX, and points of a GIS file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pyogrio.errors import DataSourceError

from etl.readers.csv_records import sniff_delimiter
from etl.readers.positions import stream_gpx
from etl.readers.tabular import detect_encoding, open_text
from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_GIS = {".geojson", ".json", ".gpkg", ".shp", ".fgb"}


def table_of(path: Path, names: Mapping[str, str]) -> pa.Table:
    """The table of a file; a GIS file gets columns lon and lat (as `names` calls them) from its points, a GPX file has its own names.

    Raises:
        InputError: no such file, damaged, or a GIS file without points or CRS.
    """
    try:
        if path.suffix == ".parquet":
            return pa.parquet.read_table(path)
        if path.suffix == ".xlsx":
            return pa.Table.from_pandas(pd.read_excel(path), preserve_index=False)
        if path.suffix == ".gpx":
            return _gpx(path, names)
        if path.suffix in _GIS:
            return _points(path, names)
        return _csv(path, names["device"])
    except (OSError, pa.ArrowException, ValueError, LookupError, DataSourceError) as problem:
        fault = Fault(
            "match.file", "无法读取位置文件", f"cannot read positions: {problem}", "检查文件是否存在、是否完整",
            "check that the file exists and is whole", file=path.name,
        )  # fmt: skip
        raise InputError(fault) from problem


def _csv(path: Path, device: str) -> pa.Table:
    """A CSV file; device ids stay text unless all are whole numbers as they are written (007 stays 007)."""
    encoding = detect_encoding(path)
    with open_text(path, encoding) as stream:
        delimiter = sniff_delimiter(stream.readline())
    table = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(encoding=encoding.removesuffix("-sig")),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter),
        convert_options=pa.csv.ConvertOptions(column_types={device: pa.string()}),
    )
    if device not in table.column_names:
        return table
    ids = table[device]
    try:
        numbers = ids.cast(pa.int64())
    except pa.ArrowInvalid:
        return table
    if not numbers.cast(pa.string()).equals(ids):
        return table
    return table.set_column(table.column_names.index(device), device, numbers)


def _gpx(path: Path, names: Mapping[str, str]) -> pa.Table:
    table = next(iter(stream_gpx(path).chunks)).table
    return table.rename_columns([names[{"device_id": "device"}.get(c, c)] for c in table.column_names])


def _points(path: Path, names: Mapping[str, str]) -> pa.Table:
    frame = gpd.read_file(path)
    if frame.crs is None or not (frame.geom_type == "Point").all():
        fault = Fault(
            "match.points", "需要带坐标系的点图层", "a layer of points with a CRS is needed", "导出为点并声明坐标系",
            "export points, and declare their CRS", file=path.name,
        )  # fmt: skip
        raise InputError(fault)
    place = frame.geometry.to_crs(4326)
    plain = pd.DataFrame(frame.drop(columns=frame.geometry.name)).assign(
        **{names["lon"]: place.x, names["lat"]: place.y}
    )
    return pa.Table.from_pandas(plain, preserve_index=False)
