"""What registered exceptions close, in metres: which stretches of which sections, and for which windows.

A closure of half a street leaves the other half to be patrolled. So an exception closes a stretch of a section's measure, and only where
(nearly) nothing of a section is left open is the whole window excused.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import shapely

from gis import coverage
from gis.answerable import complete_exceptions, window_pieces
from gis.calendar import union, windows_of
from gis.crew import column_ms, column_text, overlap_ms
from gis.road_plan import required_mm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import geopandas as gpd
    import numpy.typing as npt
    import pandas as pd

    from gis.calendar import Interval, Windows
    from gis.coverage import Cells, Pieces
    from gis.crew import Crew
    from gis.network.model import Network
    from gis.road_plan import RoadPlan
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

_FAR = 2**62
_EXACT = 1e-6
_WHOLE = 2**31 - 1  # end of a stretch that is a whole section, however long
SECTION_COLUMNS = {"section": "section_id", "road": "road_id"}


@dataclass(frozen=True, slots=True)
class Excuse:
    """One registered exception that touches the day."""

    exception_id: str
    reason: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Closures:
    """Stretches of sections that exceptions close, C of them; they may overlap.

    Attributes:
        excuses: the exceptions.
        excuse: int64 (C,), index into `excuses`.
        section: int64 (C,), row of the network's sections.
        lo_mm, hi_mm: int64 (C,), on the section's measure, lo < hi; a whole section is 0 … 2**31 - 1.
    """

    excuses: tuple[Excuse, ...]
    excuse: I8
    section: I8
    lo_mm: I8
    hi_mm: I8


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """What is closed in R windows, after exceptions that overlap are united.

    Attributes:
        row: int64 (M,), window of each closed stretch, ascending; those of a window disjoint and in order.
        lo_mm, hi_mm: int64 (M,), on the measure of its section.
        mm: int64 (R,), length closed in each window.
        exception_id: object (R,), the first exception that closes anything then; empty where none does.
    """

    row: I8
    lo_mm: I8
    hi_mm: I8
    mm: I8
    exception_id: npt.NDArray[np.object_]


def closures_of(
    exceptions: pd.DataFrame, network: Network, crew: Crew, *, areas: gpd.GeoDataFrame | None = None
) -> Closures:
    """The stretches that the complete exceptions of the day close; exceptions about persons close none.

    Args:
        exceptions: contract `exceptions`, with `from_mm` and `to_mm` where one names a stretch of its section (missing: all of it).
        network: segments and sections.
        crew: bounds of the day.
        areas: contract `areas`: an exception that names one closes the metres inside. Of a divided road a metre is closed where each
            carriageway is; the same for the metres of a work grid.
    """
    excuses: list[Excuse] = []
    rows: list[I8] = []
    for excuse, kind, target, stretch in _of_day(exceptions, crew):
        found = _stretches(network, areas, kind, target, stretch)
        if len(found):
            rows.append(np.column_stack([np.full(len(found), len(excuses)), found]))
            excuses.append(excuse)
    table = np.concatenate(rows) if rows else np.zeros((0, 4), dtype=np.int64)
    return Closures(tuple(excuses), *(np.ascontiguousarray(table[:, i]) for i in range(4)))


def _of_day(exceptions: pd.DataFrame, crew: Crew) -> Iterator[tuple[Excuse, str, str, tuple[float, float]]]:
    """Exceptions of roads that are complete and touch the day: with kind, target, and stretch (NaN: all of it)."""
    stretch = [
        exceptions[c].to_numpy(dtype=np.float64) if c in exceptions.columns else np.full(len(exceptions), np.nan)
        for c in ("from_mm", "to_mm")
    ]
    rows = zip(
        column_text(exceptions, "exception_id"), column_text(exceptions, "reason"), column_text(exceptions, "target_kind"),
        column_text(exceptions, "target_id"), column_ms(exceptions, "starts", -_FAR), column_ms(exceptions, "ends", _FAR),
        complete_exceptions(exceptions).tolist(), *(s.tolist() for s in stretch), strict=True,
    )  # fmt: skip
    for exception_id, reason, kind, target, start, end, complete, from_mm, to_mm in rows:
        if complete and kind != "person" and start < end and end > crew.start_ms and start < crew.end_ms:
            yield Excuse(exception_id, reason, start, end), kind, target, (from_mm, to_mm)


def _stretches(
    network: Network, areas: gpd.GeoDataFrame | None, kind: str, target: str, stretch: tuple[float, float]
) -> I8:
    """What one exception closes: rows (section, lo, hi), int64 (N, 3)."""
    if kind == "area":
        return _in_area(network, areas, target)
    if kind == "work_grid":
        mine = np.array(column_text(network.segments, "work_grid_id"), dtype=object) == target
        lo, hi = _measures(network)
        return _both_ways(network, np.flatnonzero(mine), lo[mine], hi[mine])
    if kind == "all":
        hit = np.arange(len(network.sections))
    elif kind in SECTION_COLUMNS:
        hit = np.flatnonzero(np.array(column_text(network.sections, SECTION_COLUMNS[kind]), dtype=object) == target)
    else:
        return np.zeros((0, 3), dtype=np.int64)
    lo_mm, hi_mm = (0, _WHOLE) if np.isnan(stretch).any() else (int(min(stretch)), int(max(stretch)))
    if hi_mm <= lo_mm:
        return np.zeros((0, 3), dtype=np.int64)
    return np.column_stack([hit, np.full(len(hit), lo_mm), np.full(len(hit), hi_mm)]).astype(np.int64)


def _measures(network: Network) -> tuple[I8, I8]:
    """Where each segment lies on the measure of its section, int64 (S,) each, lo <= hi."""
    ends = network.seg_measure_from_mm.astype(np.int64), network.seg_measure_to_mm.astype(np.int64)
    return np.minimum(*ends), np.maximum(*ends)


def _both_ways(network: Network, segment: I8, lo_mm: I8, hi_mm: I8) -> I8:
    """Closed stretches of segments as rows (section, lo, hi): without what another carriageway leaves open.

    Args:
        network: the segments.
        segment: int64 (N,), rows of segments; a segment may come more than once, its stretches in order and disjoint.
        lo_mm: int64 (N,), on the measure of their section.
        hi_mm: int64 (N,).
    """
    kept = np.flatnonzero(hi_mm > lo_mm)
    segment, lo_mm, hi_mm = segment[kept], lo_mm[kept], hi_mm[kept]
    of = network.seg_section.astype(np.int64)
    begin, end = _measures(network)
    near = np.flatnonzero(np.isin(of, of[segment]))
    left = coverage.holes(segment, lo_mm, hi_mm, at_group=near, at_lo_mm=begin[near], at_hi_mm=end[near])
    closed = coverage.holes(
        of[near[left[:, 0]]], left[:, 1].copy(), left[:, 2].copy(), at_group=of[segment], at_lo_mm=lo_mm, at_hi_mm=hi_mm
    )
    return np.column_stack([of[segment[closed[:, 0]]], closed[:, 1:]]).astype(np.int64)


def _in_area(network: Network, areas: gpd.GeoDataFrame | None, target: str) -> I8:
    """What lies in an area (by its id, else by its name), as `_stretches`."""
    none = np.zeros((0, 3), dtype=np.int64)
    if areas is None or not len(areas) or not target:
        return none
    held = areas[areas["area_id"].astype(str) == target]
    held = held if len(held) else areas[areas["name"].astype(str) == target]
    if not len(held):
        return none
    area = shapely.union_all(shapely.make_valid(shapely.force_2d(held.geometry.to_numpy())))
    shapes = np.asarray(network.segments.geometry.to_numpy(), dtype=object)
    hit = np.flatnonzero(shapely.intersects(shapes, area))
    if not len(hit):
        return none
    segment, share = _shares_inside(shapes[hit], area)
    segment = hit[segment]
    begin = network.seg_measure_from_mm[segment].astype(np.int64)
    span = network.seg_measure_to_mm[segment].astype(np.int64) - begin
    ends = begin[:, None] + np.round(span[:, None] * share).astype(np.int64)
    order = np.lexsort((ends.min(axis=1), segment))
    return _both_ways(network, segment[order], ends.min(axis=1)[order], ends.max(axis=1)[order])


def _shares_inside(lines: npt.NDArray[np.object_], area: shapely.Geometry) -> tuple[I8, npt.NDArray[np.float64]]:
    """Parts of lines (EPSG:4326) inside an area: index of the line, and from and to as shares of its length, float64 (N, 2).

    A part whose place on its line cannot be told (a line that meets itself there) is left out: it stays open.
    """
    south, north = shapely.bounds(area)[[1, 3]]
    narrow = np.array([np.cos(np.radians((south + north) / 2)), 1.0])
    lines, area = (
        shapely.transform(shapely.force_2d(lines), lambda c: c * narrow),
        shapely.transform(area, lambda c: c * narrow),
    )
    inside = shapely.intersection(lines, area)
    parts, of = shapely.get_parts(inside, return_index=True)
    line = shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING
    parts, of = parts[line], of[line].astype(np.int64)
    length = shapely.length(parts) / shapely.length(lines[of])
    near, far = (
        shapely.line_locate_point(
            lines[of], shapely.line_interpolate_point(parts, at, normalized=True), normalized=True
        )
        for at in (0.25, 0.75)
    )  # not at its ends: those of a ring are one point, which is 0 and 1 of the way round
    whole = length > 1 - _EXACT
    middle = np.where(whole, 0.5, (near + far) / 2)
    known = np.flatnonzero(whole | (np.abs(np.abs(far - near) - length / 2) < _EXACT))
    share = np.column_stack([middle - length / 2, middle + length / 2])[known]
    return of[known], np.clip(share, 0.0, 1.0)


def closed_windows(
    closures: Closures, lengths_mm: I8, sets: Sequence[int], windows: Sequence[Windows], *, share: float
) -> Closed:
    """What is closed in every window of every section, sections in order, their windows in order.

    A metre is closed in a window when the exceptions on it hold, together, at least a share of the window's duty time.

    Args:
        closures: of the day.
        lengths_mm: int64 (K,), length of the measure of every section.
        sets: set of windows of each section, -1 for none.
        windows: the sets.
        share: `measure.excused_share`.
    """
    sizes = np.array([len(windows[s].start_ms) if s >= 0 else 0 for s in sets], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    of: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    rows = zip(
        closures.section.tolist(),
        closures.excuse.tolist(),
        closures.lo_mm.tolist(),
        closures.hi_mm.tolist(),
        strict=True,
    )
    for k, excuse, lo, hi in rows:
        if sets[k] >= 0:
            of[k].append((excuse, lo, hi))
    pieces = [window_pieces(w) for w in windows]
    known: dict[tuple[int, tuple[tuple[int, int, int], ...]], list[tuple[int, int, int, str]]] = {}
    found: list[tuple[int, int, int]] = []
    names = np.full(int(sizes.sum()), "", dtype=object)
    for k in sorted(of):
        key = (sets[k], tuple(sorted(of[k])))
        if key not in known:
            known[key] = _sweep(closures.excuses, key[1], pieces[key[0]], share)
        for w, lo, hi, name in known[key]:
            if lo < lengths_mm[k]:
                found.append((first[k] + w, lo, min(hi, int(lengths_mm[k]))))
                names[first[k] + w] = names[first[k] + w] or name
    table = np.array(found, dtype=np.int64).reshape(-1, 3)
    mm = np.zeros(len(names), dtype=np.int64)
    np.add.at(mm, table[:, 0], table[:, 2] - table[:, 1])
    row, lo_mm, hi_mm = (np.ascontiguousarray(table[:, i]) for i in range(3))
    return Closed(row, lo_mm, hi_mm, mm, names)


def _sweep(
    excuses: Sequence[Excuse],
    stretches: Sequence[tuple[int, int, int]],
    pieces: Sequence[Sequence[Interval]],
    share: float,
) -> list[tuple[int, int, int, str]]:
    """Closed stretches (window, lo, hi, first exception) of one section, in order, those that touch joined."""
    cuts = sorted({x for _, lo, hi in stretches for x in (lo, hi)})
    out: list[tuple[int, int, int, str]] = []
    for w, duty in enumerate(pieces):
        total = sum(e - s for s, e in duty)
        for lo, hi in pairwise(cuts):
            on = [excuses[i] for i, a, b in stretches if a <= lo and b >= hi]
            on = [e for e in on if overlap_ms([(e.start_ms, e.end_ms)], duty)]
            held = overlap_ms(union((e.start_ms, e.end_ms) for e in on), duty)
            if not on or held < share * total:
                continue
            name = min((e.start_ms, e.exception_id) for e in on)[1]
            if out and out[-1][0] == w and out[-1][2] == lo:
                out[-1] = (w, out[-1][1], hi, out[-1][3])
            else:
                out.append((w, lo, hi, name))
    return out


def closed_all_day(closures: Closures, network: Network, standard: Standard, plan: RoadPlan) -> Closed:
    """What is closed for the day's duty time of each section taken as one window; `row` is the section.

    Sections of which (nearly) nothing is open have no stretch here: their windows are excused; patrols of them count as ever.
    """
    length = network.sections["length_mm"].to_numpy(dtype=np.int64)
    days = [
        windows_of(
            list(zip(w.piece_start_ms.tolist(), w.piece_end_ms.tolist(), strict=True)), None, remainder_share=1.0
        )
        for w in plan.sets
    ]
    closed = closed_windows(closures, length, plan.set_of, days, share=standard.measure.excused_share.value)
    mine = np.flatnonzero(np.array(plan.set_of, dtype=np.int64) >= 0)
    mm = np.zeros(len(length), dtype=np.int64)
    mm[mine] = closed.mm
    names = np.full(len(length), "", dtype=object)
    names[mine] = closed.exception_id
    return partly(replace(closed, row=mine[closed.row], mm=mm, exception_id=names), length, standard)


def nothing_left(closed_mm: I8, length_mm: I8, standard: Standard) -> npt.NDArray[np.bool_]:
    """Where so little is left open that it asks for no patrol of its own: at most a cell, and what a full patrol may leave out."""
    most = np.minimum(
        length_mm - required_mm(length_mm, np.full(len(length_mm), standard.measure.full_patrol_share.value)),
        round(standard.measure.cell_m.value * 1000),
    )
    found: npt.NDArray[np.bool_] = (closed_mm > 0) & (length_mm - closed_mm <= most)
    return found


def partly(closed: Closed, length_mm: I8, standard: Standard) -> Closed:
    """Only the windows of which a part is closed and a part is left."""
    part = (closed.mm > 0) & ~nothing_left(closed.mm, length_mm, standard)
    kept = part[closed.row]
    return Closed(
        closed.row[kept], closed.lo_mm[kept], closed.hi_mm[kept], np.where(part, closed.mm, 0),
        np.where(part, closed.exception_id, ""),
    )  # fmt: skip


def open_pieces(pieces: Pieces, closed: Closed) -> Pieces:
    """The pieces of passes without what lies on closed stretches of their window; a piece may fall into several."""
    touched = np.isin(pieces.row, closed.row)
    if not touched.any():
        return pieces
    rows = np.unique(closed.row)
    zero = np.zeros(len(rows), dtype=np.int64)
    left = coverage.holes(
        closed.row, closed.lo_mm, closed.hi_mm, at_group=rows, at_lo_mm=zero, at_hi_mm=np.full(len(rows), _WHOLE)
    )
    of = rows[left[:, 0]]
    cut = np.flatnonzero(touched)
    begin = np.searchsorted(of, pieces.row[cut])
    count = np.searchsorted(of, pieces.row[cut], side="right") - begin
    piece = np.repeat(cut, count)
    stretch = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(len(piece))
    lo = np.maximum(pieces.lo_mm[piece], left[stretch, 1])
    hi = np.minimum(pieces.hi_mm[piece], left[stretch, 2])
    some = hi > lo
    piece, rest = piece[some], np.flatnonzero(~touched)
    every = np.concatenate([rest, piece])
    return replace(
        pieces, stroke=pieces.stroke[every], row=pieces.row[every], start_ms=pieces.start_ms[every], end_ms=pieces.end_ms[every],
        lo_mm=np.concatenate([pieces.lo_mm[rest], lo[some]]), hi_mm=np.concatenate([pieces.hi_mm[rest], hi[some]]),
    )  # fmt: skip


def open_cells_mm(cells: Cells, network: Network, closed: Closed) -> I8:
    """What is open of each cell, int64 (C,), along its segment; `closed.row` is the section."""
    out = cells.length_mm.copy()
    if not len(closed.row):
        return out
    section = np.repeat(np.arange(len(cells.ptr) - 1), np.diff(cells.ptr))
    mine = np.flatnonzero(np.isin(section, closed.row))
    lo, hi = _measures(network)
    segment = cells.segment[mine]
    half = (hi - lo)[segment] / (2 * np.bincount(cells.segment, minlength=len(lo))[segment])
    begin = np.searchsorted(closed.row, section[mine])
    count = np.searchsorted(closed.row, section[mine], side="right") - begin
    cell = np.repeat(np.arange(len(mine)), count)
    stretch = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(len(cell))
    centre = cells.centre_mm[mine].astype(np.float64)
    shared = np.minimum((centre + half)[cell], closed.hi_mm[stretch]) - np.maximum(
        (centre - half)[cell], closed.lo_mm[stretch]
    )
    lost = np.zeros(len(mine))
    np.add.at(lost, cell, np.maximum(shared, 0.0))
    share = np.clip(1.0 - lost / np.maximum(2 * half, 1e-9), 0.0, 1.0)
    out[mine] = np.round(out[mine] * share).astype(np.int64)
    return out


def open_stretches(network: Network, segment: I8, closed: Closed) -> tuple[I8, I8, I8]:
    """The open stretches of segments: index into `segment`, lo and hi on the measure; `closed.row` is the section."""
    lo, hi = _measures(network)
    of = network.seg_section.astype(np.int64)[segment]
    left = coverage.holes(
        closed.row, closed.lo_mm, closed.hi_mm, at_group=of, at_lo_mm=lo[segment], at_hi_mm=hi[segment]
    )
    return left[:, 0].copy(), left[:, 1].copy(), left[:, 2].copy()
