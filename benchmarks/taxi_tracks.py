"""Real taxi tracks with a minute and more between fixes, against routes matched by hand.

    python benchmarks/taxi_tracks.py [--out ROUTES.gpkg]

A metre counts when the other line runs within 10 m of it. The times of these tracks are only a sequence (60 s apart whatever the distance),
so that speeds say nothing: the limits of speed are lifted. One fix in twenty is off by more than 93 m, the worst by 1.5 km.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import geopandas as gpd
import numpy as np
from road_data import beijing, data_root

from etl.match import match_table, read_track_points
from gis.matching import MatchSettings
from gis.tracks import TrackSettings

PREFERENCE = {
    "motorway": 0.75, "trunk": 0.7, "primary": 0.8, "secondary": 0.9, "tertiary": 1.0, "motorway_link": 0.9, "trunk_link": 0.9,
    "primary_link": 0.95, "secondary_link": 1.0, "tertiary_link": 1.05, "residential": 1.2, "living_street": 1.8, "unclassified": 1.2,
}  # fmt: skip
SPARSE = MatchSettings(
    candidates=16, near_m=100.0, sigma_m=20.0, sigma_prior=50.0, sigma_floor_m=8.0, beta_m=100.0, uturn_m=1000.0,
    speed_mps=(100.0, 100.0, 100.0),
)  # fmt: skip
NO_SPEED = TrackSettings(jump_mps=(200.0, 200.0, 200.0))


def score(truth: gpd.GeoDataFrame, found: gpd.GeoDataFrame, *, within_m: float = 10.0) -> tuple[float, float, float]:
    """Recall, precision and F1 by length."""
    lines, routes = (t.to_crs(32650).dissolve("track").geometry for t in (truth, found))
    hit_t = hit_r = all_r = 0.0
    for track, line in lines.items():
        if track in routes.index:
            route = routes.loc[track]
            hit_t += line.intersection(route.buffer(within_m)).length
            hit_r += route.intersection(line.buffer(within_m)).length
            all_r += route.length
    recall, precision = hit_t / lines.length.sum(), hit_r / max(all_r, 1e-9)
    return recall, precision, 2 * recall * precision / max(recall + precision, 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the routes here")
    given = parser.parse_args()
    root = data_root()
    if root is None:
        print("no real data here (set XUNCHA_DATA): nothing to measure")
        return
    graph, classes = beijing(root, unclassed=True)
    points = read_track_points(root / "beijing" / "tracks_sparse.csv", {"device": "track", "time": "t"})
    preference = np.array([PREFERENCE.get(c, 1.2) for c in classes], np.float32)
    found = match_table(graph, points, preference=preference, settings=SPARSE, track_settings=NO_SPEED)
    if given.out:
        given.out.unlink(missing_ok=True)
        found.to_file(given.out, layer="routes", driver="GPKG")
    recall, precision, f1 = score(gpd.read_file(root / "beijing" / "truth_sparse.gpkg"), found)
    print(f"recall {recall:.4f} precision {precision:.4f} F1 {f1:.4f}")


if __name__ == "__main__":
    main()
