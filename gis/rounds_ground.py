"""What collectors made of work grids on one day: what can be patrolled there, what was, and what was visited in no round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gis import coverage
from gis.closures import nothing_left, open_cells_mm, open_stretches
from gis.coverage import COUNTS, SLOW, WindowSets
from gis.crew import column_text, entitled_time
from gis.parallel_streets import BESIDE_M, parallel_shares
from gis.road_plan import required_mm
from gis.rounds_bounds import NEAR_M, able_mm, detour_m, near_rounds, places_of
from gis.rounds_kernel import unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from gis.closures import Closed
    from gis.coverage import Cells, Pieces
    from gis.crew import Crew
    from gis.evidence import Evidence
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]
    _Events = tuple[I8, I8, I8, I8]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What can be patrolled, per segment, and what was.

    Attributes:
        grid: int64 (S,), grid of a segment that counts (patrollable, of the first carriageway), -1 for the others.
        length: int64 (S,).
        patrollable: int64 (G,), without what exceptions close.
        shut: bool (G,), where exceptions close (nearly) all there is; lengths of these are those without exceptions.
        target: int64 (G,), length that completes a round.
        done: rows (grid, completed, started).
        open_mm: int64 (G,), length of the unfinished round.
        lacking: rows (grid, segment, mm): what the unfinished round lacks.
        never: rows (segment, from_mm, to_mm on the segment).
        inferred: int64 (G,), rounds completed if inferred passes counted too.
        near: int64 (R, G) and int64 (R, G): rounds of what was passed within 15 m, 30 m and as far as a detour goes, and their
            unfinished ones.
        walked_mm: float64 (G, D), all that each device passed slowly enough, seen or not.
        beside: float64 (G,), share beside which another street runs within 15 m.
    """

    grid: I8
    length: I8
    patrollable: I8
    shut: npt.NDArray[np.bool_]
    target: I8
    done: I8
    open_mm: I8
    lacking: I8
    never: I8
    inferred: I8
    near: tuple[I8, I8]
    walked_mm: npt.NDArray[np.float64]
    beside: npt.NDArray[np.float64]

    def completed(self) -> I8:
        """Rounds that were seen, int64 (G,)."""
        return np.bincount(self.done[:, 0], minlength=len(self.patrollable)).astype(np.int64)

    def never_mm(self) -> I8:
        """Length visited in no round, int64 (G,)."""
        never = np.zeros(len(self.patrollable), dtype=np.int64)
        np.add.at(never, self.grid[self.never[:, 0]], self.never[:, 2] - self.never[:, 1])
        return never


def whole_day(sections: int, crew: Crew) -> WindowSets:
    """One set of windows, the local day, for every section."""
    zero = np.zeros(1, dtype=np.int64)
    return WindowSets(
        np.zeros(sections, dtype=np.int32), np.full(sections, -1, dtype=np.int64), np.array([0, 1], dtype=np.int64),
        np.array([crew.start_ms], dtype=np.int64), np.array([crew.end_ms], dtype=np.int64), zero, zero,
    )  # fmt: skip


def ground_of(
    network: Network, passes: Passes, crew: Crew, standard: Standard, grids: Sequence[str], closed: Closed,
    roles: Sequence[str], evidence: Evidence,
) -> Ground:  # fmt: skip
    """What collectors (persons of some roles) made of work grids.

    Args:
        network: segments and sections.
        passes: of the day.
        crew: the roster.
        standard: the rules.
        grids: ids of the grids.
        closed: what exceptions close; `row` is the section.
        roles: who counts.
        evidence: of the passes.
    """
    place = {g: i for i, g in enumerate(grids)}
    segments = network.segments
    patrol = segments["patrollable"].to_numpy(dtype=np.bool_)
    if not grids:
        return _no_ground(network)
    of = np.array([place.get(g, -1) for g in column_text(segments, "work_grid_id")], dtype=np.int64)
    of[~patrol | ~evidence.primary] = -1
    length = network.graph.seg_length_mm.astype(np.int64)
    left = _open_ground(network, standard, of, length, len(grids), closed)
    patrollable = left.patrollable
    strokes, cells = evidence.strokes, evidence.cells
    weight = np.where(left.shut[of[cells.segment]], cells.length_mm, open_cells_mm(cells, network, closed))
    time = entitled_time(crew, passes.devices, passes.mode, [frozenset(roles)])
    windows = whole_day(len(network.sections), crew)
    slow = (strokes.flags & SLOW) > 0
    use = slow & ((strokes.flags & COUNTS) > 0) & patrol[passes.segment_ix]
    given: dict[str, Any] = {
        "role_of": np.zeros(len(network.sections), dtype=np.int32), "ptr": time.ptr, "start_ms": time.start_ms,
        "end_ms": time.end_ms, "devices": len(passes.devices),
    }  # fmt: skip
    target = required_mm(patrollable, np.full(len(grids), standard.measure.round_share.value))
    crossed = coverage.stroke_events(strokes, slow, windows, cells, **given)
    grid_of_cell = of[cells.segment]
    events = _of_grids(crossed, use[crossed[3]], grid_of_cell)
    done, open_mm = coverage.rounds(*events, weight_mm=weight, target_mm=target)
    inside = _of_grids(crossed, patrol[passes.segment_ix][crossed[3]], grid_of_cell)
    inferred, _ = coverage.rounds(*inside, weight_mm=weight, target_mm=target)
    pieces = coverage.entitled_pieces(strokes, windows, **given)
    kept = use[pieces.stroke]
    asked, lo, hi = (np.ascontiguousarray(c) for c in left.stretches.T)
    never = coverage.holes(
        strokes.section[pieces.stroke[kept]].astype(np.int64), pieces.lo_mm[kept], pieces.hi_mm[kept],
        at_group=network.seg_section[asked].astype(np.int64), at_lo_mm=lo, at_hi_mm=hi,
    )  # fmt: skip
    never[:, 0] = asked[never[:, 0]]
    return Ground(
        grid=of,
        length=length,
        patrollable=patrollable,
        shut=left.shut,
        target=target,
        done=done,
        open_mm=open_mm,
        lacking=_lacking(events, cells, weight, grid_of_cell, target),
        never=_on_segment(network, never),
        inferred=np.bincount(inferred[:, 0], minlength=len(grids)),
        near=_near(network, passes, standard, evidence, crossed, of, weight, target),
        walked_mm=_walked(pieces, slow, of[passes.segment_ix], passes, len(grids)),
        beside=_beside(network, of, length, patrollable),
    )


def _of_grids(crossed: _Events, ok: npt.NDArray[np.bool_], grid_of_cell: I8) -> _Events:
    """Crossings that are `ok`, of cells that count for a grid: grid, run, time and cell, in that order."""
    cell, t, run, _ = crossed
    group = grid_of_cell[cell]
    kept = ok & (group >= 0)
    return coverage.sort_events(group[kept], run[kept], t[kept], cell[kept])


def _lacking(events: _Events, cells: Cells, weight: I8, grid_of_cell: I8, target: I8) -> I8:
    """What the unfinished round of each grid lacks: rows (grid, segment, mm)."""
    group, _, _, cell = events
    room = np.zeros(len(cells.segment), dtype=np.int64)
    passed = unfinished(group, cell, room, weight, target)
    rest = np.flatnonzero((grid_of_cell >= 0) & ~passed & (weight > 0))
    segment, at = np.unique(cells.segment[rest], return_inverse=True)
    mm = np.zeros(len(segment), dtype=np.int64)
    np.add.at(mm, at, weight[rest])
    grid = np.full(len(segment), -1, dtype=np.int64)
    grid[at] = grid_of_cell[rest]
    return np.stack([grid, segment.astype(np.int64), mm], axis=1)


def _near(
    network: Network, passes: Passes, standard: Standard, evidence: Evidence, crossed: _Events, of: I8, weight: I8, target: I8
) -> tuple[I8, I8]:  # fmt: skip
    """Rounds of what was passed within 15 m, 30 m, and as far as a detour goes, and the unfinished ones: int64 (3, G) each."""
    cells = evidence.cells
    order = np.lexsort((crossed[0], crossed[1]))
    cell, t, stroke = crossed[0][order], crossed[1][order], crossed[3][order]
    places = places_of(network, cells, of)
    limit = standard.measure.patrol_speed_kmh.value.mm_per_s()[passes.mode.astype(np.int64)]
    able = able_mm(t, stroke, passes, limit)
    far = detour_m(passes, standard)[stroke] + NEAR_M
    found = [
        near_rounds(places, cell=cell, radius_m=radius, able_mm=able, weight_mm=weight, target_mm=target)
        for radius in (np.full(len(cell), NEAR_M / 2), np.full(len(cell), NEAR_M), far)
    ]
    return np.stack([n for n, _ in found]), np.stack([mm for _, mm in found])


def _walked(
    pieces: Pieces, slow: npt.NDArray[np.bool_], grid: I8, passes: Passes, size: int
) -> npt.NDArray[np.float64]:
    """All that each device passed in each grid, again and again, mm, float64 (G, D)."""
    devices = len(passes.devices)
    kept = slow[pieces.stroke] & (grid[pieces.stroke] >= 0)
    stroke, mm = pieces.stroke[kept], (pieces.hi_mm - pieces.lo_mm)[kept]
    flat = np.bincount(grid[stroke] * devices + passes.device_ix[stroke], weights=mm, minlength=size * devices)
    return flat.reshape(size, devices).astype(np.float64)


def _beside(network: Network, of: I8, length: I8, patrollable: I8) -> npt.NDArray[np.float64]:
    """Share of each grid's length beside which another street runs within 15 m."""
    share = parallel_shares(network)[network.seg_section, BESIDE_M.index(15.0)]
    asked = of >= 0
    mm = np.bincount(of[asked], weights=(share * length)[asked], minlength=len(patrollable))
    return mm / np.maximum(patrollable, 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """What is left to patrol of G grids when exceptions have closed their stretches.

    Attributes:
        stretches: int64 (N, 3), rows (segment, from_mm, to_mm on the measure of its section).
        patrollable: int64 (G,), their length.
        shut: bool (G,), where (nearly) nothing is left; stretches and length of these are those without exceptions.
    """

    stretches: I8
    patrollable: I8
    shut: npt.NDArray[np.bool_]


def _open_ground(network: Network, standard: Standard, of: I8, length: I8, grids: int, closed: Closed) -> _Open:
    """What is left of each grid; `of` is the grid of each segment that counts, -1 for the others."""
    asked = np.flatnonzero(of >= 0)
    at, lo, hi = open_stretches(network, asked, closed)
    whole, left = np.zeros(grids, dtype=np.int64), np.zeros(grids, dtype=np.int64)
    np.add.at(whole, of[asked], length[asked])
    rows = np.column_stack([asked[at], lo, hi])
    on = _on_segment(network, rows)
    touched = np.isin(network.seg_section, closed.row)
    on = on[touched[on[:, 0]]]
    np.add.at(left, of[on[:, 0]], on[:, 2] - on[:, 1])
    sound = asked[~touched[asked]]
    np.add.at(left, of[sound], length[sound])
    shut = nothing_left(whole - left, whole, standard)
    if shut.any():
        again = asked[shut[of[asked]]]
        ends = network.seg_measure_from_mm[again].astype(np.int64), network.seg_measure_to_mm[again].astype(np.int64)
        rows = rows[~shut[of[rows[:, 0]]]]
        rows = np.concatenate([rows, np.column_stack([again, np.minimum(*ends), np.maximum(*ends)])])
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return _Open(rows, np.where(shut, whole, left), shut)


def _no_ground(network: Network) -> Ground:
    """The ground of no grid at all."""
    none, rows = np.zeros(0, dtype=np.int64), np.zeros((0, 3), dtype=np.int64)
    size = len(network.segments)
    near = (np.zeros((3, 0), dtype=np.int64), np.zeros((3, 0), dtype=np.int64))
    return Ground(
        np.full(size, -1), network.graph.seg_length_mm.astype(np.int64), none, none.astype(np.bool_), none, rows,
        none, rows, rows, none, near, np.zeros((0, 0)), np.zeros(0),
    )  # fmt: skip


def _on_segment(network: Network, rows: I8) -> I8:
    """Stretches of measures as stretches of their segments, from < to."""
    s = rows[:, 0]
    begin = network.seg_measure_from_mm[s].astype(np.int64)
    span = network.seg_measure_to_mm[s].astype(np.int64) - begin
    length = network.graph.seg_length_mm[s].astype(np.int64)
    wide = np.maximum(np.abs(span), 1)
    ends = [(np.abs(rows[:, i] - begin) * length + wide // 2) // wide for i in (1, 2)]
    return np.stack([s, np.minimum(*ends), np.maximum(*ends)], axis=1)
