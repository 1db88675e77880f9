"""Compiles what numba compiles, once, at installation: `python -m etl.warm`; later commands find it in the cache."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import geopandas as gpd
import pandas as pd
from shapely.geometry import LineString, box

from etl.evaluate import Ground, evaluate
from etl.kernels import drop_stale_kernels
from gis.model import Mode
from gis.network import build_network
from layers.standard_files import load_standard

SIDE = 5
STEP = 0.002  # degrees
WEST, SOUTH = 121.87, 29.47


def lattice() -> gpd.GeoDataFrame:
    """Streets between SIDE x SIDE crossings as the `road_edges` contract."""
    rows, lines = [], []
    for i in range(SIDE):
        for j in range(SIDE):
            for di, dj, name in ((1, 0, f"{j}号路"), (0, 1, f"{i}号街")):
                if i + di < SIDE and j + dj < SIDE:
                    a, b = (i, j), (i + di, j + dj)
                    rows.append(
                        (f"{a}-{b}", str(a), str(b), "street", ("main", "secondary", "branch")[(i + j) % 3], name)
                    )
                    lines.append(LineString([(WEST + p * STEP, SOUTH + q * STEP) for p, q in (a, b)]))
    frame = pd.DataFrame(rows, columns=["edge_id", "u", "v", "source_class", "policy_class", "name"])
    frame = frame.assign(oneway=0, bridge=False, tunnel=False, level=0)
    return gpd.GeoDataFrame(frame, geometry=lines, crs=4326)


def main() -> None:
    """One tiny simulated day on foot and in vehicles."""
    drop_stale_kernels()
    standard = load_standard("xiangshan-2019")
    network = build_network(lattice(), metric_crs="EPSG:4550", rule_of_class=standard.rule_of_class())
    extent = box(WEST - STEP, SOUTH - STEP, WEST + SIDE * STEP, SOUTH + SIDE * STEP)
    grids = gpd.GeoDataFrame(
        {"grid_id": ["1"], "name": ["1"], "level": ["central"], "town_id": [None], "unit_id": [None]},
        geometry=[extent],
        crs=4326,
    )
    ground = Ground(network, standard, ZoneInfo("Asia/Shanghai"), date(2026, 3, 18), grids)
    evaluate(ground, seeds=(1,), intervals_s=(30.0,), noises_m=(8.0,), modes=(Mode.FOOT, Mode.VEHICLE))


if __name__ == "__main__":
    main()
