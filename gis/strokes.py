"""From passes on segments to strokes on the measure of sections, and the cells of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gis.coverage import COUNTS, LOG_SCALE, SLOW, Cells, Strokes, cut_cells
from gis.pace import pace

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

_SURE = 0.999999


def strokes_of(network: Network, passes: Passes, standard: Standard, *, paces: tuple[I8, I8] | None = None) -> Strokes:
    """Passes on the measure of their sections, with what decides whether they count.

    A pass counts when it was seen (or inferred too, where `measure.evidence` says so), and is slow enough when the way of its device over
    the `measure.pace_s` about it (`gis.pace`) is not above the patrol speed of its mode; one millisecond is allowed for rounding.
    `paces` is `judged_pace(passes, standard)` where it is known already.
    """
    s = passes.segment_ix
    length = network.graph.seg_length_mm[s].astype(np.int64)
    lo = network.seg_measure_from_mm[s].astype(np.int64)
    hi = network.seg_measure_to_mm[s].astype(np.int64)
    speed = standard.measure.patrol_speed_kmh.value.mm_per_s()[passes.mode.astype(np.int64)]
    speed = speed[passes.device_ix] if len(speed) else np.zeros(0, dtype=np.int64)
    moved, took = paces or judged_pace(passes, standard)
    slow = moved * 1000 <= speed * (took + 1)
    counts = passes.seen | (standard.measure.evidence.value == "seen_and_inferred")
    doubt = np.round(-np.log1p(-np.minimum(passes.confidence.astype(np.float64), _SURE)) * LOG_SCALE)
    return Strokes(
        section=network.seg_section[s],
        from_mm=_on_measure(lo, hi, length, passes.from_mm),
        to_mm=_on_measure(lo, hi, length, passes.to_mm),
        enter_ms=passes.enter_ms,
        leave_ms=passes.leave_ms,
        device_ix=passes.device_ix,
        flags=(counts * COUNTS + slow * SLOW).astype(np.uint8),
        doubt=doubt.astype(np.int64),
    )


def judged_pace(passes: Passes, standard: Standard) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Way and time by which the speed of each pass is judged: moved_mm, took_ms (int64, P); of all passes of each device."""
    return pace(passes, over_ms=round(standard.measure.pace_s.value * 1000))


def _on_measure(
    lo: npt.NDArray[np.int64], hi: npt.NDArray[np.int64], length: npt.NDArray[np.int64], at: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Rounded measure of a position; the same whichever way the segment is drawn."""
    return (lo * length + (hi - lo) * at + length // 2) // length


def primary_segments(network: Network) -> npt.NDArray[np.bool_]:
    """Segments (S,) whose length counts once: of paired carriageways, which share a measure, the first by row.

    A segment is secondary when the interval of the measure of its section is, for more than half, that of earlier segments.
    """
    lo = np.minimum(network.seg_measure_from_mm, network.seg_measure_to_mm).astype(np.int64)
    hi = np.maximum(network.seg_measure_from_mm, network.seg_measure_to_mm).astype(np.int64)
    primary = np.ones(len(lo), dtype=np.bool_)
    total = np.bincount(network.seg_section, weights=(hi - lo).astype(np.float64), minlength=len(network.sections))
    length = network.sections["length_mm"].to_numpy(dtype=np.int64)
    doubled = np.flatnonzero(total > length + 1)
    order = np.argsort(network.seg_section, kind="stable")
    begin = np.searchsorted(network.seg_section[order], doubled)
    end = np.searchsorted(network.seg_section[order], doubled, side="right")
    for b, e in zip(begin.tolist(), end.tolist(), strict=True):
        taken: list[tuple[int, int]] = []
        for s in order[b:e].tolist():
            a, z = int(lo[s]), int(hi[s])
            shared = sum(max(0, min(z, y) - max(a, x)) for x, y in taken)
            if 2 * shared > z - a:
                primary[s] = False
            else:
                taken.append((a, z))
    return primary


def network_cells(network: Network, standard: Standard) -> Cells:
    """Cells of every segment, of about `measure.cell_m`."""
    return cut_cells(
        network.seg_section,
        network.seg_measure_from_mm.astype(np.int64),
        network.seg_measure_to_mm.astype(np.int64),
        network.graph.seg_length_mm.astype(np.int64),
        len(network.sections),
        cell_mm=max(1, round(standard.measure.cell_m.value * 1000)),
    )
