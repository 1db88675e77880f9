"""GeoPackage: geometries as blobs, and the tables that make a SQLite file one (OGC 12-128r18, clauses 1.1.2, 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import shapely

from layers.contracts import TABLES
from layers.models import SRID

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

APPLICATION_ID = 0x47504B47  # "GPKG"
USER_VERSION = 10300
_FIXED = 8  # magic, version, flags, srs_id
_ENVELOPE_BYTES = (0, 32, 48, 48, 64)
_XY_BYTES = 32

_DDL = (
    """CREATE TABLE IF NOT EXISTS gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT)""",
    """CREATE TABLE IF NOT EXISTS gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
    description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))""",
    """CREATE TABLE IF NOT EXISTS gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id))""",
)


def to_blobs(geometries: npt.NDArray[np.object_]) -> list[bytes | None]:
    """GeoPackage blobs (header with XY envelope, then ISO WKB) of shapely geometries; None stays None."""
    wkb = shapely.to_wkb(geometries, byte_order=1, flavor="iso")
    bounds = shapely.bounds(geometries).astype("<f8")
    envelope = np.ascontiguousarray(bounds[:, [0, 2, 1, 3]])  # minx, maxx, miny, maxy
    heads = envelope.tobytes()
    srs = SRID.to_bytes(4, "little")
    plain, empty = b"GP\x00\x03" + srs, b"GP\x00\x11" + srs  # little endian; with XY envelope / empty without
    nothing = shapely.is_empty(geometries)
    return [
        None if w is None else empty + w if e else plain + heads[32 * i : 32 * i + 32] + w
        for i, (w, e) in enumerate(zip(wkb, nothing, strict=True))
    ]


def to_wkb(blobs: Sequence[bytes | None]) -> list[bytes | None]:
    """The WKB in GeoPackage blobs."""
    return [None if b is None else b[_FIXED + _ENVELOPE_BYTES[(b[3] >> 1) & 7] :] for b in blobs]


def bounds(blobs: Sequence[bytes | None]) -> tuple[float, float, float, float]:
    """West, south, east, north of blobs with an XY envelope, as `to_blobs` writes it (their first 40 bytes do); NaN without any."""
    heads = b"".join([b[_FIXED : _FIXED + _XY_BYTES] for b in blobs if b is not None and (b[3] >> 1) & 7 == 1])
    boxes = np.frombuffer(heads, "<f8").reshape(-1, 4)  # minx, maxx, miny, maxy
    if not len(boxes):
        return np.nan, np.nan, np.nan, np.nan
    low, high = boxes.min(axis=0), boxes.max(axis=0)
    return float(low[0]), float(low[2]), float(high[1]), float(high[3])


def from_blobs(blobs: Sequence[bytes | None]) -> npt.NDArray[np.object_]:
    """Shapely geometries of GeoPackage blobs."""
    wkb = to_wkb(blobs)
    out: npt.NDArray[np.object_] = shapely.from_wkb(np.array(wkb, object)) if wkb else np.empty(0, object)
    return out


def register(cursor: Any) -> None:
    """Make the SQLite file behind `cursor` a GeoPackage whose layers are the contracts' geometry tables (others as attributes)."""
    for ddl in _DDL:
        cursor.execute(ddl)
    wkt = pyproj.CRS.from_epsg(SRID).to_wkt("WKT1_GDAL")
    systems = [
        ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", None),
        ("Undefined geographic SRS", 0, "NONE", 0, "undefined", None),
        ("WGS 84 geodetic", SRID, "EPSG", SRID, wkt, "longitude/latitude in degrees"),
    ]
    cursor.executemany("INSERT OR IGNORE INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,?)", systems)
    for t in TABLES.values():
        shape = None if t.geometry is None else t.column(t.geometry).dtype
        cursor.execute(
            "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES (?,?,?,?,?)",
            (t.name, "features" if shape else "attributes", f"{t.zh} {t.name}", t.en, SRID if shape else None),
        )
        if t.geometry is not None:
            kind = "POINT" if shape == "point" else "GEOMETRY"
            cursor.execute(
                "INSERT OR IGNORE INTO gpkg_geometry_columns VALUES (?,?,?,?,0,0)", (t.name, t.geometry, kind, SRID)
            )
