"""How much of a section a person can have patrolled while nobody heard them: from where they were last heard, to where they were again.

A space-time prism (Hägerstrand 1970): at a speed v, who was at A at time a and at B at time b can have been at P only from
a + |AP| / v until b - |PB| / v. Distances are straight lines, which no road is shorter than.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from gis.answerable import Answer, person_speeds, window_pieces
from gis.calendar import intersect, union
from gis.crew import overlap_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from gis.answerable import Entry
    from gis.calendar import Interval, Windows
    from gis.crew import Crew
    from gis.network.model import Network
    from gis.silence import Place, Silence
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

_Parts = list[tuple[int, int, list["Interval"]]]  # person, number of their silence, what of it lies in a window


def confined_reach(
    answer: Answer, network: Network, crew: Crew, standard: Standard, entries: Sequence[tuple[Entry, ...]], sets: Sequence[int],
    windows: Sequence[Windows], *, rows: I8, section_of_row: I8, window_of_row: I8,
) -> I8:  # fmt: skip
    """`answer.reach_mm` with the ways to and from each section taken off, for some rows; the others as they are.

    Args:
        answer: of sections in windows.
        network: where the sections lie.
        crew: with the places of its silences.
        standard: patrol speeds and `measure.place_error_m`, by which a person may have been nearer than their fix.
        entries: who answers for each section.
        sets: set of windows of each section.
        windows: the sets.
        rows: int64, rows to look at.
        section_of_row: int64, of all rows.
        window_of_row: int64, of all rows.
    """
    return reach_within(
        answer, network, crew, standard, entries, sets, windows, rows=rows, subject_of_row=section_of_row,
        window_of_row=window_of_row, subject_of_segment=network.seg_section,
    )  # fmt: skip


def reach_within(
    answer: Answer, network: Network, crew: Crew, standard: Standard, entries: Sequence[tuple[Entry, ...]], sets: Sequence[int],
    windows: Sequence[Windows], *, rows: I8, subject_of_row: I8, window_of_row: I8, subject_of_segment: npt.NDArray[np.integer[Any]],
) -> I8:  # fmt: skip
    """As `confined_reach` for subjects of any kind; `subject_of_segment` (S,) says which subject each segment lies in, -1 for none."""
    out = answer.reach_mm.copy()
    rows = rows[answer.silent_ms[rows] > 0]
    if not len(rows):
        return out
    pieces = [window_pieces(w) for w in windows]
    speeds = person_speeds(crew, standard)
    known: dict[tuple[int, int, tuple[Entry, ...]], _Parts] = {}
    told: list[tuple[int, int, int, int, list[Interval]]] = []
    for r, k, w in zip(rows.tolist(), subject_of_row[rows].tolist(), window_of_row[rows].tolist(), strict=True):
        key = (sets[k], w, entries[k])
        if key not in known:
            known[key] = _parts(crew, entries[k], pieces[sets[k]][w])
        told += [(r, k, person, nth, part) for person, nth, part in known[key]]
    error_m = standard.measure.place_error_m.value
    far = _distances(network, subject_of_segment, crew, [t[1:4] for t in told], error_m)
    out[rows] = 0
    for (r, _, person, nth, part), (to_m, from_m) in zip(told, far.tolist(), strict=True):
        out[r] += usable_ms(crew.silences[person][nth], part, to_m, from_m, speeds[person]) * speeds[person] // 1000
    return out


def _parts(crew: Crew, who: tuple[Entry, ...], pieces: Sequence[Interval]) -> _Parts:
    """What of whose silences lies in a window."""
    spans: dict[int, list[Interval]] = defaultdict(list)
    for person, start, end in who:
        spans[person].append((start, end))
    out: _Parts = []
    for person in sorted(spans):
        asked = intersect(union(spans[person]), pieces)
        for nth, s in enumerate(crew.silences[person]):
            part = intersect([(s.start_ms, s.end_ms)], asked)
            if part:
                out.append((person, nth, part))
    return out


def usable_ms(silence: Silence, part: Sequence[Interval], to_m: float, from_m: float, speed_mm_s: int) -> int:
    """Time of a silence that a person can have spent at a place so far from where they were last heard and heard again."""
    start, end = silence.start_ms, silence.end_ms
    if silence.left is not None:
        start = max(start, silence.left[0] + int(to_m * 1_000_000) // speed_mm_s)
    if silence.back is not None:
        end = min(end, silence.back[0] - int(from_m * 1_000_000) // speed_mm_s)
    return overlap_ms(part, [(start, end)]) if end > start else 0


def _distances(
    network: Network, owner: npt.NDArray[np.integer[Any]], crew: Crew, asked: Sequence[tuple[int, int, int]], error_m: float
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Metres (N, 2) from the last place before a silence to a subject and back to the first place after it; 0 where unknown.

    Args:
        network: where the subjects lie.
        owner: (S,), subject of each segment.
        crew: with its silences.
        asked: subject, person, number of their silence.
        error_m: taken off each.
    """
    unique = sorted(set(asked))
    place = {key: i for i, key in enumerate(unique)}
    lines = _lines(network, owner, np.unique(np.array([k for k, _, _ in unique], dtype=np.int64)))
    shapes = np.array([lines[k] for k, _, _ in unique], dtype=object)
    far = np.zeros((len(unique), 2))
    for side, name in enumerate(("left", "back")):
        at: list[Place | None] = [getattr(crew.silences[p][n], name) for _, p, n in unique]
        some = np.array([a is not None for a in at], dtype=np.bool_)
        points = shapely.points([a[1:] for a in at if a is not None]) if some.any() else np.zeros(0, dtype=object)
        far[some, side] = np.maximum(shapely.distance(shapes[some], points) - error_m, 0.0)
    return far[[place[key] for key in asked]]


def section_lines(network: Network, sections: I8) -> dict[int, shapely.Geometry]:
    """Sections as lines in the metric CRS, made of their segments."""
    return _lines(network, network.seg_section, sections)


def _lines(network: Network, owner: npt.NDArray[np.integer[Any]], subjects: I8) -> dict[int, shapely.Geometry]:
    """Subjects as lines in the metric CRS, made of their segments."""
    graph = network.graph
    order = np.argsort(owner, kind="stable")
    order = order[np.isin(owner[order], subjects)]
    first, count = graph.vert_ptr[order].astype(np.int64), np.diff(graph.vert_ptr)[order].astype(np.int64)
    of = np.repeat(np.arange(len(order)), count)
    vertex = first[of] + np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    lines: Any = shapely.linestrings(np.stack([graph.vert_x[vertex], graph.vert_y[vertex]], axis=1), indices=of)
    found, at = np.unique(owner[order], return_inverse=True)
    whole: Any = shapely.multilinestrings(lines, indices=at)
    return dict(zip(found.tolist(), whole, strict=True))
