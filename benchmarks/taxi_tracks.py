"""Real taxi tracks with a minute and more between fixes, against routes matched by hand.

    python benchmarks/taxi_tracks.py [--out ROUTES.gpkg] [--valhalla PYTHON] [--grid]

A metre counts when the other line runs within 10 m of it. The times of these tracks are only a sequence (60 s apart whatever the distance),
so that speeds say nothing: the limits of speed are lifted. One fix in twenty is off by more than 93 m, the worst by 1.5 km. With --grid the
peers are run with every setting that was tried; the best of them stand in the table without it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import geopandas as gpd
import numpy as np
import pyarrow as pa
import shapely
import shapely.ops
import valhalla_graph
from matching_peers import absent, fastmm_matcher, fastmm_results, fastmm_stretches, fastmm_tracks, lines_of
from road_data import beijing, data_root

from etl.match import SPARSE_PREFERENCE, match_table, profile_of, read_track_points
from gis.tracks import prepare_fixes

if TYPE_CHECKING:
    import numpy.typing as npt
    from scoring import Stretches

    from gis.network.model import RoadGraph

# table bound, search radius, noise; Valhalla: search radius, noise, beta, turn penalty
FASTMM_GRID = list(itertools.product((3000, 6000, 8000), (50, 100), (10, 20, 50)))
FASTMM = (6000, 100, 20)
VALHALLA_GRID = list(itertools.product((100.0, 200.0), (10.0, 30.0), (3.0, 20.0), (0.0, 200.0)))
VALHALLA = (100.0, 20.0, 10.0, 200.0)
Score = tuple[float, float, float, float]


def lengths(truth: gpd.GeoDataFrame, found: gpd.GeoDataFrame, *, within_m: float = 10.0) -> dict[Any, Score]:
    """For every true track, metres: of it that were found, of it, of what was found that is true, of what was found."""
    lines, routes = (t.to_crs(32650).dissolve("track").geometry for t in (truth, found))
    out: dict[Any, Score] = {}
    for track, line in lines.items():
        route = routes.get(track, shapely.LineString())
        hits = (a.intersection(b.buffer(within_m)).length for a, b in ((line, route), (route, line)))
        out[track] = (next(hits), line.length, next(hits), route.length)
    return out


def score(parts: dict[Any, Score]) -> tuple[float, float, float]:
    """Recall, precision and F1 by length."""
    hit_t, all_t, hit_r, all_r = np.array(list(parts.values())).sum(0)
    recall, precision = hit_t / all_t, hit_r / max(all_r, 1e-9)
    return recall, precision, 2 * recall * precision / max(recall + precision, 1e-9)


def tell(name: str, parts: dict[Any, Score]) -> None:
    """One row of the table; the halves are the tracks of even and of odd number."""
    recall, precision, f1 = score(parts)
    halves = [score({k: v for k, v in parts.items() if int(k) % 2 == h})[2] for h in (0, 1)]
    print(f"| {name} | {recall:.3f} | {precision:.3f} | {f1:.3f} | {halves[0]:.3f} | {halves[1]:.3f} |", flush=True)


def drawn(graph: RoadGraph, got: Stretches, devices: tuple[str, ...]) -> gpd.GeoDataFrame:
    """Stretches as lines."""
    lines = lines_of(graph)[got.segment]
    share = [shapely.length(lines) * c / graph.seg_length_mm[got.segment] for c in (got.low, got.high)]
    cut = [shapely.ops.substring(line, a, b) for line, a, b in zip(lines, *share, strict=True)]
    return gpd.GeoDataFrame({"track": [int(devices[d]) for d in got.device]}, geometry=cut, crs=graph.crs)


def peers(
    graph: RoadGraph, classes: npt.NDArray[np.object_], points: pa.Table, truth: gpd.GeoDataFrame, python: str | None, *, grid: bool
) -> None:  # fmt: skip
    """Rows of fastmm and Valhalla."""
    fixes = prepare_fixes(
        points["device"].cast(pa.string()), points["t_ms"].to_numpy(), points["lon"].to_numpy(), points["lat"].to_numpy(), crs=graph.crs
    )  # fmt: skip
    if absent("fastmm"):
        print("| fastmm | not installed |")
    else:
        for bound, settings in itertools.groupby(FASTMM_GRID if grid else [FASTMM], key=lambda s: s[0]):
            matcher, _network = fastmm_matcher(graph, bound, walker=False)
            for _, radius, noise in settings:
                results = fastmm_results(matcher, fastmm_tracks(fixes), (radius, noise, 0), candidates=16)
                found = drawn(graph, fastmm_stretches(results, graph), fixes.devices)
                tell(f"fastmm, {bound} m, {radius} m, {noise} m", lengths(truth, found))
    if python is None:
        print(f"| Valhalla | not installed (name a Python that has it: --valhalla or {valhalla_graph.VARIABLE}) |")
        return
    for radius, noise, beta, turn in VALHALLA_GRID if grid else [VALHALLA]:
        meili = {
            "search_radius": radius, "sigma_z": noise, "beta": beta, "turn_penalty_factor": turn, "breakage_distance": 20_000.0,
            "interpolation_distance": 1.0,
        }  # fmt: skip
        how = {"costing": "auto", "times": False, "meili": meili}
        got, _ = valhalla_graph.match(python, graph, fixes, how, core=0, classes=classes)
        tell(
            f"Valhalla, {radius:g} m, {noise:g} m, {beta:g}, {turn:g}",
            lengths(truth, drawn(graph, got, fixes.devices)),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the routes here")
    parser.add_argument("--valhalla", help="the Python that has pyvalhalla")
    parser.add_argument("--grid", action="store_true", help="every setting of the peers that was tried")
    given = parser.parse_args()
    root = data_root()
    if root is None:
        print("no real data here (set XUNCHA_DATA): nothing to measure")
        return
    graph, classes = beijing(root, unclassed=True)
    points = read_track_points(root / "beijing" / "tracks_sparse.csv", {"device": "track", "time": "t"})
    truth = gpd.read_file(root / "beijing" / "truth_sparse.gpkg")
    preference = np.array([SPARSE_PREFERENCE.get(str(c), SPARSE_PREFERENCE["road"]) for c in classes], np.float32)
    settings, track_settings = profile_of("sparse")
    found = match_table(graph, points, preference=preference, settings=settings, track_settings=track_settings)
    if given.out:
        given.out.unlink(missing_ok=True)
        found.to_file(given.out, layer="routes", driver="GPKG")
    print("| matcher, settings | recall | precision | F1 | F1 even tracks | F1 odd tracks |\n|---|---|---|---|---|---|")
    tell("xuncha, profile sparse", lengths(truth, found))
    tell("xuncha, defaults", lengths(truth, match_table(graph, points)))
    peers(graph, classes, points, truth, valhalla_graph.interpreter(given.valhalla), grid=given.grid)


if __name__ == "__main__":
    main()
