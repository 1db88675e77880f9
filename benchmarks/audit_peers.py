"""What a GIS analyst would write for "which share of each edge was passed in each hour", once for each tool.

Every function takes a case (edges, and a Parquet file of positions in metres) and gives stretches of (hour, edge) and its seconds.
Edges are prepared and indexed, and positions are put into a database, before the clock starts; reading the Parquet file counts where
the tool has no store of its own. A join of fixes to edges calls the whole edge passed; buffered track lines give the part inside.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shapely
from audit_day import HOUR_MS
from postgres_server import processor_s
from scoring import Stretches

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit_day import Case

CRS = 32650
# metres within which a fix or a track counts for an edge: the best F1 of 5, 10, 15, 20, 25 m at 100,000 positions
WITHIN_M = {"sjoin": 5.0, "duckdb": 5.0, "postgis": 5.0, "buffers": 10.0}
CELL_M = 50.0
Answer = tuple[Stretches, dict[str, float]]


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(begun: tuple[float, float]) -> dict[str, float]:
    """Wall and processor time."""
    wall, cpu = _now()
    return {"answer_s": wall - begun[0], "cpu_s": cpu - begun[1]}


def _lines(edges: Any) -> Any:
    of = np.repeat(np.arange(edges.segment_count), np.diff(edges.vert_ptr))
    return shapely.linestrings(np.column_stack([edges.vert_x, edges.vert_y]), indices=of)


def _whole(edges: Any, edge: Any, hour: Any) -> Stretches:
    edge = np.asarray(edge, np.int64)
    return Stretches.of(hour, edge, np.zeros(len(edge)), edges.seg_length_mm[edge])


def sjoin(case: Case, within_m: float) -> Answer:
    """geopandas: `sjoin(predicate="dwithin")`, then distinct pairs of edge and hour."""
    edges = gpd.GeoDataFrame({"edge": np.arange(case.edges.segment_count)}, geometry=_lines(case.edges), crs=CRS)
    assert edges.sindex is not None
    begun = _now()
    t = pq.read_table(case.positions)
    points = gpd.GeoDataFrame(
        {"hour": t["t_ms"].to_numpy() // HOUR_MS},
        geometry=gpd.points_from_xy(t["x"].to_numpy(), t["y"].to_numpy()),
        crs=CRS,
    )
    joined = gpd.sjoin(points, edges, predicate="dwithin", distance=within_m)
    passed = joined[["edge", "hour"]].drop_duplicates()
    took = _since(begun)
    return _whole(case.edges, passed["edge"], passed["hour"]), took


def _pieces(edges: Any) -> pd.DataFrame:
    """Straight pieces of the edges."""
    v = np.arange(len(edges.vert_x) - 1)
    inner = np.ones(len(v), bool)
    inner[np.asarray(edges.vert_ptr[1:-1]) - 1] = False
    v, of = v[inner], np.repeat(np.arange(edges.segment_count), np.diff(edges.vert_ptr))[:-1][inner]
    x, y = edges.vert_x, edges.vert_y
    return pd.DataFrame({"edge": of, "x1": x[v], "y1": y[v], "x2": x[v + 1], "y2": y[v + 1]})


def duckdb_cells(case: Case, within_m: float) -> Answer:
    """DuckDB without its spatial extension: an equi-join over cells of 50 m, the distance to each straight piece in SQL."""
    import duckdb  # noqa: PLC0415 (each process loads its own tool)

    conn = duckdb.connect(config={"threads": 1})
    conn.register("pieces", _pieces(case.edges))
    conn.execute(f"""CREATE TABLE cells AS SELECT *, unnest(range(floor((least(x1, x2) - {within_m}) / {CELL_M})::INT,
        floor((greatest(x1, x2) + {within_m}) / {CELL_M})::INT + 1)) AS cx FROM pieces""")
    conn.execute(f"""CREATE TABLE c2 AS SELECT *, unnest(range(floor((least(y1, y2) - {within_m}) / {CELL_M})::INT,
        floor((greatest(y1, y2) + {within_m}) / {CELL_M})::INT + 1)) AS cy FROM cells""")
    begun = _now()
    found = conn.execute(f"""
        WITH p AS (SELECT t_ms // {HOUR_MS} AS hour, x, y, floor(x / {CELL_M})::BIGINT AS cx, floor(y / {CELL_M})::BIGINT AS cy
                   FROM '{case.positions}'),
        near AS (SELECT edge, hour, x, y, x1, y1, x2, y2,
                 greatest(0, least(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1))
                 / greatest((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1), 1e-9))) AS share FROM p JOIN c2 USING (cx, cy))
        SELECT DISTINCT edge, hour FROM near
        WHERE (x - x1 - share * (x2 - x1)) ** 2 + (y - y1 - share * (y2 - y1)) ** 2 <= {within_m**2}""").fetchnumpy()
    took = _since(begun)
    return _whole(case.edges, found["edge"], found["hour"]), took


def duckdb_spatial(case: Case, within_m: float) -> Answer:
    """DuckDB with its spatial extension (from PyPI): `ST_DWithin` as a spatial join."""
    import duckdb  # noqa: PLC0415
    import duckdb_extension_spatial  # noqa: PLC0415

    conn = duckdb.connect(config={"threads": 1})
    home = Path(duckdb_extension_spatial.__file__).parent
    conn.execute(f"LOAD '{next(home.rglob('spatial.duckdb_extension'))}'")
    conn.register(
        "given", pd.DataFrame({"edge": np.arange(case.edges.segment_count), "wkb": shapely.to_wkb(_lines(case.edges))})
    )
    conn.execute("CREATE TABLE edges AS SELECT edge, ST_GeomFromWKB(wkb) AS geom FROM given")
    begun = _now()
    found = conn.execute(f"""SELECT DISTINCT edge, hour
        FROM (SELECT t_ms // {HOUR_MS} AS hour, ST_Point(x, y) AS place FROM '{case.positions}') p
        JOIN edges ON ST_DWithin(place, geom, {within_m})""").fetchnumpy()
    took = _since(begun)
    return _whole(case.edges, found["edge"], found["hour"]), took


def postgis(case: Case, within_m: float, url: str, pid: int | None) -> Answer:
    """PostGIS: `ST_DWithin` over indexed edges; positions are stored, indexed and analysed before."""
    import psycopg  # noqa: PLC0415

    t = pq.read_table(case.positions)
    points = shapely.to_wkb(shapely.points(t["x"].to_numpy(), t["y"].to_numpy()), hex=True)
    lines = shapely.to_wkb(_lines(case.edges), hex=True)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"CREATE TABLE edges (edge int PRIMARY KEY, geom geometry(LineString, {CRS}))")
        conn.execute(f"CREATE TABLE fixes (t_ms bigint, geom geometry(Point, {CRS}))")
        with conn.cursor().copy("COPY edges FROM STDIN") as copy:
            for i, line in enumerate(lines):
                copy.write(f"{i}\t{line}\n")
        begun = _now()
        with conn.cursor().copy("COPY fixes FROM STDIN") as copy:
            copy.write("".join(f"{ms}\t{p}\n" for ms, p in zip(t["t_ms"].to_pylist(), points, strict=True)))
        conn.execute("CREATE INDEX ON edges USING gist (geom)")
        conn.execute("CREATE INDEX ON fixes USING gist (geom)")
        conn.execute("VACUUM ANALYZE")
        stored = _since(begun)["answer_s"]
        served, begun = processor_s(pid), _now()
        rows = conn.execute(
            f"SELECT DISTINCT edge, t_ms / {HOUR_MS} FROM edges e JOIN fixes f ON ST_DWithin(e.geom, f.geom, {within_m})"
        ).fetchall()
        took = _since(begun)
        served = processor_s(pid) - served
    edge, hour = np.array(rows, np.int64).T
    return _whole(case.edges, edge, hour), {**took, "cpu_s": took["cpu_s"] + served, "stored_s": stored}


def buffers(case: Case, within_m: float) -> Answer:
    """shapely: a track line a device and hour, buffered, intersected with the edges near it; parts united by edge and hour."""
    edges = _lines(case.edges)
    tree = shapely.STRtree(edges)
    begun = _now()
    t = pq.read_table(case.positions)
    hour = t["t_ms"].to_numpy() // HOUR_MS
    _, track = np.unique(t["device_ix"].to_numpy() * np.int64(1 << 32) + hour, return_inverse=True)
    kept = np.bincount(track)[track] > 1
    numbers, line = np.unique(track[kept], return_inverse=True)
    tracks = shapely.linestrings(np.column_stack([t["x"].to_numpy(), t["y"].to_numpy()])[kept], indices=line)
    hour_of = np.zeros(int(track.max()) + 1, np.int64)
    hour_of[track] = hour
    rows: list[tuple[Any, Any, Any, Any]] = []
    for polygon, h in zip(shapely.buffer(tracks, within_m), hour_of[numbers].tolist(), strict=True):
        shapely.prepare(polygon)
        near = tree.query(polygon, predicate="intersects")
        inside = shapely.contains(polygon, edges[near])
        cut, index = shapely.get_parts(shapely.intersection(edges[near[~inside]], polygon), return_index=True)
        line_only = shapely.get_type_id(cut) == shapely.GeometryType.LINESTRING
        edge = near[~inside][index[line_only]]
        a, b = (shapely.line_locate_point(edges[edge], shapely.get_point(cut[line_only], i)) for i in (0, -1))
        whole = case.edges.seg_length_mm[near[inside]]
        rows.append((np.full(len(whole) + len(edge), h), np.r_[near[inside], edge], np.r_[np.zeros(len(whole)), a * 1e3],
                     np.r_[whole, b * 1e3]))  # fmt: skip
    hours, edge, a, b = (np.concatenate(c) for c in zip(*rows, strict=True))
    # projected metres against true ones differ by less than the tolerance of any of these answers
    top = case.edges.seg_length_mm[edge].astype(np.float64)
    got = Stretches.of(hours, edge, np.minimum(a, top), np.minimum(b, top))
    return got, _since(begun)


PEERS: dict[str, Callable[..., Answer]] = {
    "sjoin": sjoin, "duckdb cells": duckdb_cells, "duckdb spatial": duckdb_spatial, "postgis": postgis, "buffers": buffers,
}  # fmt: skip


def within_of(name: str) -> float:
    """The distance of a peer."""
    return WITHIN_M[name.split(" ", maxsplit=1)[0]]
