"""The stored form of each column as Arrow, and frames made from it."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from layers.models import SRID
from layers.store.conform import GEOMETRY
from layers.store.gpkg import from_blobs, to_blobs, to_wkb

if TYPE_CHECKING:
    import numpy.typing as npt

    from layers.contracts import Column, Table

_ARROW = {
    "str": pa.string(),
    "json": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.string(),
    "date": pa.string(),
}
_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
_HAS_SRID = 0x20  # in the last byte of a little-endian EWKB type
Flavour = Literal["gpkg", "ewkb"]


def empty(table: Table) -> pd.DataFrame:
    """A frame of the contract without rows."""
    return decode(pa.table({c.name: pa.array([], arrow_type(c, "gpkg")) for c in table.columns}), table, "gpkg")


def arrow_type(c: Column, flavour: Flavour) -> pa.DataType:
    """Arrow type of the stored form of a column."""
    if c.dtype in GEOMETRY:
        return pa.binary() if flavour == "gpkg" else pa.string()
    return _ARROW[c.dtype]


def encode(frame: pd.DataFrame, table: Table, flavour: Flavour) -> pa.Table:
    """The stored form: times as ISO 8601 text in UTC, dates and JSON as text, geometry as GeoPackage blob or hexadecimal EWKB."""
    return pa.table({c.name: _encode(frame[c.name], c, flavour) for c in table.columns})


def _encode(values: pd.Series[Any], c: Column, flavour: Flavour) -> pa.Array:
    kind = arrow_type(c, flavour)
    if c.dtype in GEOMETRY:
        shapes = np.asarray(values.array, object)
        if flavour == "gpkg":
            return pa.array(to_blobs(shapes), kind)
        return pa.array(
            shapely.to_wkb(shapely.set_srid(shapes, SRID), hex=True, include_srid=True, flavor="extended"), kind
        )
    if c.dtype == "time":
        moments = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ms]")
        text = np.char.add(np.datetime_as_string(moments, unit="ms"), "Z") if len(moments) else np.empty(0, str)
        return pa.array(text, kind, mask=np.isnat(moments))
    if c.dtype == "date":
        return pa.array([None if v is None else v.isoformat() for v in values], kind)
    if c.dtype == "json":
        return pa.array(
            [None if v is None else json.dumps(v, ensure_ascii=False, sort_keys=True) for v in values], kind
        )
    made = pa.array(values, kind, from_pandas=True)
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def decode(stored: pa.Table, table: Table, flavour: Flavour) -> pd.DataFrame:
    """The frame of a stored form: int64/Int64, float64, bool/boolean, str, datetime64[ms, UTC], date objects, EPSG:4326 geometry."""
    made = pd.DataFrame({c.name: _decode(stored.column(c.name), c, flavour) for c in table.columns})
    return made if table.geometry is None else gpd.GeoDataFrame(made, geometry=table.geometry, crs=f"EPSG:{SRID}")


def _decode(values: pa.ChunkedArray, c: Column, flavour: Flavour) -> Any:
    if c.dtype in GEOMETRY:
        return gpd.GeoSeries(_shapes(values.to_pylist(), flavour), crs=f"EPSG:{SRID}")
    if c.dtype == "time":
        text = np.array([None if v is None else v[:-1] for v in values.to_pylist()], "datetime64[ms]")
        return pd.Series(pd.DatetimeIndex(text).tz_localize("UTC"))
    if c.dtype in {"date", "json"}:
        parse: Any = date.fromisoformat if c.dtype == "date" else json.loads
        return pd.Series([None if v is None else parse(v) for v in values.to_pylist()], dtype=object)
    if c.dtype == "str":
        return pd.Series(pd.array(values.cast(pa.large_string()), dtype=_TEXT))
    kinds: dict[str, Any] = {
        "float": "float64",
        "int": "Int64" if c.null else "int64",
        "bool": "boolean" if c.null else "bool",
    }
    if c.dtype == "float" or values.null_count == 0:
        return pd.Series(values.to_numpy()).astype(kinds[c.dtype])
    return pd.Series(pd.array(values.to_pylist(), dtype=kinds[c.dtype]))


def _shapes(stored: list[Any], flavour: Flavour) -> npt.NDArray[np.object_]:
    if flavour == "gpkg":  # plain WKB, which names no system
        return np.asarray(from_blobs(stored), object)
    return np.asarray(shapely.set_srid(shapely.from_wkb(np.array(stored, object)), 0), object)


def _canonical(values: pa.Array) -> pa.Array:
    """Plain WKB of a stored geometry column, the same from either store."""
    if pa.types.is_binary(values.type):
        return pa.array(to_wkb(values.to_pylist()), pa.binary())
    whole = [None if v is None else bytes.fromhex(v) for v in values.to_pylist()]
    plain = [None if b is None else b[:4] + bytes([b[4] & ~_HAS_SRID]) + b[9:] for b in whole]
    return pa.array(plain, pa.binary())


def digest(stored: pa.Table, table: Table) -> str:
    """SHA-256 of names, types and values, in row order; the same whichever store the rows are for."""
    total = hashlib.sha256()
    for name in stored.column_names:
        column = stored.column(name).combine_chunks()
        if name == table.geometry:
            column = _canonical(column)
        total.update(f"{name}:{column.type}:{len(column)};".encode())
        total.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)).tobytes())
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            values = [(v.encode() if isinstance(v, str) else v) or b"" for v in column.to_pylist()]
            total.update(np.fromiter(map(len, values), np.int64, len(values)).tobytes())
            total.update(b"".join(values))
        else:
            total.update(
                np.ascontiguousarray(
                    column.fill_null(pa.scalar(0).cast(column.type)).to_numpy(zero_copy_only=False)
                ).tobytes()
            )
    return total.hexdigest()
