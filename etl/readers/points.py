"""Points of GIS files (shapefile, GeoPackage, GeoJSON) as a stream of positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyproj
import shapely

from etl.readers.tabular import Chunk, Stream, empty_fault, readable
from etl.vector import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from layers.city import Source

ENDINGS = (".shp", ".gpkg", ".geojson")
_FORMATS = {"auto", "shp", "gpkg", "geojson"}
_POINT = 0  # GEOS id


def is_points(path: Path, source: Source) -> bool:
    """Whether a file of positions is one of points."""
    return path.suffix.lower() in ENDINGS and source.format in _FORMATS


def stream_points(path: Path, source: Source) -> Stream:
    """Attributes and place of every feature, numbered from 1: `lon` and `lat`, or `x` and `y` where the city file declares the CRS.

    Coordinates come into WGS 84 by the CRS of the file, unless the city file declares one; what is no point has none.

    Raises:
        InputError: the file is empty, cut short or cannot be read.
    """
    if path.stat().st_size == 0:
        raise empty_fault(path.name)
    part = read_file(path, source)
    xy = np.full((len(part.geometry), 2), np.nan)
    points = shapely.get_type_id(part.geometry) == _POINT
    xy[points] = shapely.get_coordinates(part.geometry[points]) if points.any() else xy[points]
    names = ("lon", "lat") if source.crs is None else ("x", "y")
    if source.crs is None and part.crs is not None:
        change = pyproj.Transformer.from_crs(part.crs, 4326, always_xy=True)
        xy[points] = np.column_stack(change.transform(xy[points, 0], xy[points, 1]))
    with readable(path.name):
        table = pa.Table.from_pandas(part.attributes, preserve_index=False)
    for name, values in zip(names, xy.T, strict=True):
        column = source.source_column(name)
        kept = [c for c in table.column_names if c != column]
        table = table.select(kept).append_column(column, pa.array(values, from_pandas=True))
    rows = np.arange(1, len(table) + 1, dtype=np.int64)
    return Stream(tuple(table.column_names), iter([Chunk(table, rows)]), part.encoding)
