"""Rows that fit a contract, made from the contract itself, and small inputs of the store's tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from layers.store.base import Note, Run, SourceRecord

DAY = date(2026, 3, 18)
DAY_START = 1_773_763_200_000  # 2026-03-18 00:00 in Shanghai = 2026-03-17 16:00 UTC
NO_QUARANTINE = pd.DataFrame(columns=["row", "column", "code", "zh", "en", "raw"])
_MOMENT = datetime(2026, 3, 18, 1, 2, 3, 456000, tzinfo=UTC)
_TEXTS = ("象山港路", "=1+1", 'a "quoted", text', "two\nlines", " ", "", "null", "NaN", "\\N", "𠮷")


def value(dtype, i):
    x = 121.8 + i / 1000
    made = {
        "str": _TEXTS[i % len(_TEXTS)] + (str(i) if i >= len(_TEXTS) else ""),
        "int": (-1) ** i * i * 10**9,
        "float": (0.1 + i) / 3 * 10 ** (i % 7 - 3),
        "bool": i % 2 == 0,
        "time": pd.Timestamp(_MOMENT + timedelta(seconds=i, milliseconds=i)),
        "date": DAY + timedelta(days=i),
        "json": {"红": [i, None, 1.5], "b": "字"},
        "point": shapely.Point(x, 29.5),
        "line": shapely.LineString([(x, 29.5), (x + 0.1, 29.6)])
        if i % 2
        else shapely.MultiLineString([[(x, 29), (x, 30)], [(x, 28), (x, 27)]]),
        "polygon": shapely.box(x, 29, x + 0.1, 29.1)
        if i % 2
        else shapely.MultiPolygon([shapely.box(x, 29, x + 0.1, 29.1)]),
        "geometry": (shapely.Point(x, 29), shapely.LineString([(x, 29), (x, 30)]), shapely.box(x, 29, x + 1, 30))[
            i % 3
        ],
    }
    return made[dtype]


def frame(table, rows=12, *, shift=0):
    """Rows of a contract, every third value of a nullable column missing; keys unique."""
    columns = {}
    for c in table.columns:
        values = [value(c.dtype, i + shift) for i in range(rows)]
        if c.null:
            values = [None if i % 3 == 1 else v for i, v in enumerate(values)]
        if c.name == table.key[0]:
            values = [f"k{i + shift:03d}键" for i in range(rows)] if c.dtype == "str" else values
        kinds = {
            "str": "str",
            "int": "Int64" if c.null else "int64",
            "float": "float64",
            "bool": "boolean" if c.null else "bool",
        }
        if c.dtype == "time":
            columns[c.name] = pd.Series(pd.DatetimeIndex(values).tz_convert("UTC").as_unit("ms"))
        elif c.dtype in {"point", "line", "polygon", "geometry"}:
            columns[c.name] = gpd.GeoSeries(values, crs="EPSG:4326")
        elif c.dtype in {"date", "json"}:
            columns[c.name] = pd.Series(values, dtype=object)
        else:
            columns[c.name] = pd.Series(pd.array(values, dtype=kinds[c.dtype]))
    made = pd.DataFrame(columns)
    return made if table.geometry is None else gpd.GeoDataFrame(made, geometry=table.geometry, crs="EPSG:4326")


def record(table, rows, *, source="src", path="data/a.csv", sha256="0" * 64):
    return SourceRecord(
        source,
        table,
        path,
        sha256,
        rows,
        crs="EPSG:4326",
        encoding="utf-8",
        notes=(Note("修复 2 个几何", "2 geometries repaired"),),
    )


def grids(ids, *, level="central", name="格"):
    """Work grids, one strip a letter."""
    shapes = [shapely.box(i / 100, 0, (i + 1) / 100, 1) for i in range(len(ids))]
    columns = {
        "grid_id": list(ids),
        "name": [name] * len(ids),
        "level": [level] * len(ids),
        "town_id": [None] * len(ids),
        "unit_id": [None] * len(ids),
    }
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")


def positions(rows, *, seed=0, devices=7, day_start=DAY_START, span_ms=86_400_000):
    """Random positions of one local day, unsorted."""
    rng = np.random.default_rng(seed)
    t = day_start + rng.integers(0, span_ms // 1000, rows) * 1000
    return pa.table(
        {
            "device_id": pa.array([f"设备{d}" for d in rng.integers(0, devices, rows)], pa.string()),
            "t_ms": pa.array(t, pa.int64()),
            "arrived_ms": pa.array(t + rng.integers(0, 3_600_000, rows), pa.int64()),
            "lon": 121.8 + rng.random(rows) / 10,
            "lat": 29.4 + rng.random(rows) / 10,
        }
    )


def run(run_id="run-1", day=DAY, **changes):
    given = {"city": "象山", "standard_id": "xiangshan-2019", "standard_version": "1", "editions": {"work_grids": "e1"}}
    given |= {"inputs": [{"name": "p", "sha256": "ab", "rows": 3}], "code_version": "0.1.0", "seconds": {"match": 1.25}}
    return Run(run_id, day, **(given | changes))


def passes(rows=6, *, seed=0):
    rng = np.random.default_rng(seed)
    enter = DAY_START + np.sort(rng.integers(0, 86_400_000, rows))
    return pa.table(
        {
            "segment_ix": pa.array(rng.integers(0, 4, rows), pa.int32()),
            "from_mm": pa.array(rng.integers(0, 10**6, rows), pa.int32()),
            "to_mm": pa.array(rng.integers(0, 10**6, rows), pa.int32()),
            "enter_ms": pa.array(enter, pa.int64()),
            "leave_ms": pa.array(enter + 5000, pa.int64()),
            "device_id": pa.array([f"设备{i % 3}" for i in range(rows)], pa.string()),
            "track_ix": pa.array(np.arange(rows), pa.int32()),
            "first_fix_ms": pa.array(enter - 1000, pa.int64()),
            "last_fix_ms": pa.array(enter + 6000, pa.int64()),
            "seen": pa.array(rng.random(rows) < 0.5),
            "confidence": pa.array(rng.random(rows), pa.float32()),
        }
    )


def grid_days(outcomes, *, visited_mm=1000):
    """Work grids by day with these outcomes, keys a, b, c, …"""
    n = len(outcomes)
    return pd.DataFrame(
        {
            "grid_id": [chr(97 + i) for i in range(n)], "completed_rounds": [1] * n, "patrollable_mm": [5000] * n, "visited_mm": [visited_mm] * n,
            "never_mm": [0] * n, "open_share": [0.5] * n, "outcome": list(outcomes), "silent_s": [0.0] * n,
        }
    )  # fmt: skip
