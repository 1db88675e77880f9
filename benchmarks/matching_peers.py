"""The matchers that are measured: each takes the graph and the fixes, and gives what it says was covered, and its times."""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from scoring import Stretches

from gis.model import Fixes, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from gis.network.model import RoadGraph

ROUNDS = 3  # the best of so many counts


def absent(package: str) -> bool:
    """Whether a package is not installed."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


def by_xuncha(graph: RoadGraph, fixes: Fixes, mode: Mode) -> tuple[Stretches, dict[str, float]]:
    """This project's matcher with its defaults."""
    from gis.matching import Matcher  # noqa: PLC0415 (only the process that measures it loads it)

    t0 = time.process_time()
    matcher = Matcher(graph).prepare((mode,))
    built = time.process_time() - t0
    few = fixes.device_ix == 0
    columns = ("device_ix", "t_ms", "x", "y", "flags", "track_ix")
    t0 = time.process_time()
    matcher.match(Fixes(*(getattr(fixes, c)[few] for c in columns), fixes.devices, fixes.mode))
    compiled = time.process_time() - t0
    best = np.inf
    for _ in range(ROUNDS):
        t0 = time.process_time()
        p = matcher.match(fixes)
        best = min(best, time.process_time() - t0)
    return Stretches.of(p.device_ix, p.segment_ix, p.from_mm, p.to_mm), {
        "build_s": built,
        "first_call_s": compiled,
        "match_s": best,
    }


def _fastmm_network(graph: RoadGraph, *, walker: bool) -> Any:
    import fastmm  # noqa: PLC0415

    network = fastmm.Network()
    for s in range(graph.segment_count):
        a, b = graph.vert_ptr[s], graph.vert_ptr[s + 1]
        line = list(zip(graph.vert_x[a:b].tolist(), graph.vert_y[a:b].tolist(), strict=True))
        u, v = int(graph.seg_u[s]), int(graph.seg_v[s])
        if walker or graph.seg_oneway[s] >= 0:
            network.add_edge(2 * s, u, v, line)
        if walker or graph.seg_oneway[s] <= 0:
            network.add_edge(2 * s + 1, v, u, line[::-1])
    network.finalize()
    return network


def fastmm_tracks(fixes: Fixes) -> list[Any]:
    """Its trajectories, one a device."""
    import fastmm  # noqa: PLC0415

    ptr = np.searchsorted(fixes.device_ix, np.arange(len(fixes.devices) + 1))
    t = fixes.t_ms / 1000
    return [
        fastmm.Trajectory.from_xyt_tuples(list(zip(*(c[a:b].tolist() for c in (fixes.x, fixes.y, t)), strict=True)))
        for a, b in itertools.pairwise(ptr)
    ]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what a library writes to the standard output from it."""
    sys.stdout.flush()
    kept = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(sink)


def fastmm_matcher(graph: RoadGraph, bound_m: float, *, walker: bool) -> tuple[Any, Any]:
    """Fastmm with its table up to a bound, and its network, which must outlive it."""
    import fastmm  # noqa: PLC0415

    with quiet(), tempfile.TemporaryDirectory() as folder:
        network = _fastmm_network(graph, walker=walker)
        matcher = fastmm.FastMapMatch(
            network, fastmm.TransitionMode.SHORTEST, max_distance_between_candidates=float(bound_m), cache_dir=folder
        )
    return matcher, network


def fastmm_results(matcher: Any, tracks: list[Any], how: tuple[float, float, float], candidates: int = 8) -> list[Any]:
    """Its results; `how` is the search radius, the noise and the reverse tolerance, metres."""
    radius, noise, back = map(float, how)
    many = getattr(matcher, "match_many", None)
    options = {
        "max_candidates": candidates,
        "candidate_search_radius": radius,
        "gps_error": noise,
        "reverse_tolerance": back,
    }
    return list(many(tracks, **options)) if many else [matcher.match(t, **options) for t in tracks]


def by_fastmm(
    graph: RoadGraph, fixes: Fixes, how: tuple[float, float, float, float], *, walker: bool
) -> tuple[Stretches, dict[str, float]]:
    """Fastmm; `how` is its table bound, search radius, noise and reverse tolerance, metres."""
    t0 = time.process_time()
    matcher, _network = fastmm_matcher(graph, how[0], walker=walker)
    built = time.process_time() - t0
    tracks = fastmm_tracks(fixes)
    best = np.inf
    for _ in range(ROUNDS):
        t0 = time.process_time()
        results = fastmm_results(matcher, tracks, how[1:])
        best = min(best, time.process_time() - t0)
    return fastmm_stretches(results, graph), {"build_s": built, "first_call_s": 0.0, "match_s": best}


def fastmm_stretches(results: list[Any], graph: RoadGraph) -> Stretches:
    """What it says was covered."""
    rows = []
    for device, result in enumerate(results):
        for stretch in itertools.chain.from_iterable(part.segments for part in result.subtrajectories):
            edges = stretch.edges
            for k, e in enumerate(edges):
                begin = stretch.p0.offset_from_start_of_edge if k == 0 else 0.0
                end = stretch.p1.offset_from_start_of_edge if k == len(edges) - 1 else np.inf
                rows.append((device, e.edge_id, begin, end))
    table = np.array(rows, np.float64).reshape(-1, 4)
    seg, against = table[:, 1].astype(np.int64) >> 1, table[:, 1].astype(np.int64) & 1
    length = graph.seg_length_mm[seg].astype(np.float64)
    a, b = (np.minimum(np.rint(table[:, c] * 1000), length) for c in (2, 3))
    a, b = (np.where(against == 1, length - c, c) for c in (a, b))
    return Stretches.of(table[:, 0], seg, a, b)


def lines_of(graph: RoadGraph) -> npt.NDArray[np.object_]:
    """A LineString for every segment."""
    import shapely  # noqa: PLC0415

    of = np.repeat(np.arange(graph.segment_count), np.diff(graph.vert_ptr))
    lines: npt.NDArray[np.object_] = shapely.linestrings(np.column_stack([graph.vert_x, graph.vert_y]), indices=of)
    return lines


def by_nearest(graph: RoadGraph, fixes: Fixes) -> tuple[Stretches, dict[str, float]]:
    """The nearest segment of each fix counts as passed whole."""
    import shapely  # noqa: PLC0415

    t0 = time.process_time()
    tree = shapely.STRtree(lines_of(graph))
    built = time.process_time() - t0
    best = np.inf
    for _ in range(ROUNDS):
        t0 = time.process_time()
        at, seg = tree.query_nearest(shapely.points(fixes.x, fixes.y), all_matches=False)
        best = min(best, time.process_time() - t0)
    got = Stretches.of(fixes.device_ix[at], seg, np.zeros(len(seg)), graph.seg_length_mm[seg])
    return got, {"build_s": built, "first_call_s": 0.0, "match_s": best}
