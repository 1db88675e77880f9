"""Time and peak memory of building the Beijing network: `python benchmarks/network.py [DATA]`."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import geopandas as gpd

from gis.network import build_network

RULES = {"main": "road.main", "secondary": "road.secondary", "branch": "road.branch"}
CLASSES = {
    "trunk": "main",
    "primary": "main",
    "secondary": "secondary",
    "tertiary": "branch",
    "residential": "branch",
    "unclassified": "branch",
}
ROUNDS = 3


def edges(root: Path) -> gpd.GeoDataFrame:
    raw = gpd.read_file(root / "beijing" / "roads.gpkg")
    return gpd.GeoDataFrame(
        {
            "edge_id": raw["edge"].astype(str),
            "u": raw["u"].astype(str),
            "v": raw["v"].astype(str),
            "source_class": raw["highway"],
            "policy_class": raw["highway"].map(CLASSES),
            "name": raw["name"],
            "oneway": 1,
            "bridge": False,
            "tunnel": False,
            "level": 0,
        },
        geometry=raw.geometry.to_numpy(),
        crs="EPSG:4326",
    )


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["XUNCHA_DATA"])
    source = edges(root)
    for k in range(ROUNDS):
        start = time.perf_counter()
        network = build_network(source, metric_crs="EPSG:4527", rule_of_class=RULES)
        took = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"round {k + 1}: {len(source)} edges -> {network.graph.segment_count} segments, "
            f"{len(network.sections)} sections in {took:.2f} s, peak {peak:.0f} MiB"
        )


if __name__ == "__main__":
    main()
