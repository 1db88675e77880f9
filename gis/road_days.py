"""The gaps view, and what a day came to per section and per segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis import coverage
from gis.closures import open_cells_mm
from gis.coverage import COUNTS, SLOW, Pieces, Strokes, WindowSets
from gis.crew import stamp
from gis.rates import COVERED, EXCUSED, MISSED, OUTCOMES, UNKNOWN, counts_by, excused_millimetres
from gis.road_plan import required_mm

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.closures import Closed
    from gis.evidence import Evidence
    from gis.model import Passes
    from gis.network.model import Network
    from gis.road_plan import RoadPlan
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

_FAR = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """Per cell and per section, in duty time."""

    cells: coverage.Cells
    weight_mm: I8  # per cell: open length, 0 where it counts on another carriageway
    open_mm: I8  # per cell
    longest_ms: I8
    inside_ms: I8
    duty_ms: I8  # per set
    completed: I8
    last_ms: I8
    section_longest_ms: I8


def gap_view(
    network: Network, standard: Standard, plan: RoadPlan, evidence: Evidence, devices: int, closed: Closed
) -> Gaps:
    """Times between passes of every cell and between completed patrols of every section, by passes of those entitled.

    Metres that are closed for the day (`gis.closures.closed_all_day`) weigh nothing: a patrol is complete without them.
    """
    strokes, cells = evidence.strokes, evidence.cells
    primary = evidence.primary[cells.segment]
    asked = WindowSets(
        np.array(plan.set_of, dtype=np.int32), *(getattr(plan.arrays, n) for n in WindowSets.__slots__[1:])
    )
    ok = (strokes.flags & (COUNTS | SLOW)) == (COUNTS | SLOW)
    cell, t, run = coverage.cell_events(
        strokes, ok, asked, cells, role_of=plan.role_of, ptr=plan.time.ptr, start_ms=plan.time.start_ms,
        end_ms=plan.time.end_ms, devices=devices,
    )  # fmt: skip
    limit = np.array([w.limit_ms for w in plan.sets], dtype=np.int64)
    daily = np.array([standard.road_rules()[r].daily for r in plan.rule_ids], dtype=np.bool_)
    section_of_cell = np.repeat(np.arange(len(cells.ptr) - 1), np.diff(cells.ptr))
    events = coverage.sort_events(section_of_cell[cell], run, t, cell)
    by_cell, by_t = coverage.bucketed(events[3], events[2], len(cells.segment))
    set_of_cell = asked.of_section[section_of_cell]
    longest, inside, hits = coverage.gaps(by_cell, by_t, item_set=set_of_cell, windows=asked, limit_ms=limit)
    duty = np.array([w.duty_ms for w in plan.sets], dtype=np.int64)
    once = (
        (set_of_cell >= 0) & daily[plan.rule_of[section_of_cell]]
        if len(daily)
        else np.zeros(len(set_of_cell), np.bool_)
    )
    inside[once] = np.where(hits[once] > 0, duty[set_of_cell[once]], 0)
    open_mm = open_cells_mm(cells, network, closed)
    weight = np.where(primary, open_mm, 0)
    total = np.zeros(len(network.sections), dtype=np.int64)
    np.add.at(total, section_of_cell, weight)
    done, _ = coverage.rounds(
        *events, weight_mm=weight,
        target_mm=required_mm(total, np.full(len(total), standard.measure.full_patrol_share.value)),
    )  # fmt: skip
    section_longest, _, completed = coverage.gaps(
        done[:, 0].copy(), done[:, 1].copy(), item_set=asked.of_section, windows=asked, limit_ms=limit
    )
    last = np.full(len(total), -1, dtype=np.int64)
    np.maximum.at(last, done[:, 0], done[:, 1])
    return Gaps(cells, weight, open_mm, longest, inside, duty, completed, last, section_longest)


def section_days(
    network: Network,
    standard: Standard,
    plan: RoadPlan,
    windows: pd.DataFrame,
    gap: Gaps,
    named_by: npt.NDArray[np.object_],
) -> pd.DataFrame:
    """See the contract; a row per section that a rule binds. `named_by` is `gis.road_plan.answered_by` of all sections."""
    asked = np.flatnonzero(np.array(plan.set_of, dtype=np.int64) >= 0)
    back = np.full(len(plan.set_of), -1, dtype=np.int64)
    back[asked] = np.arange(len(asked))
    keys = back[plan.section_of_row]
    codes = outcome_codes(windows["outcome"])
    counts = counts_by(
        keys, codes, windows["length_mm"].to_numpy(dtype=np.int64), len(asked), standard,
        excused_mm=excused_millimetres(windows),
    )  # fmt: skip
    sets = np.array(plan.set_of, dtype=np.int64)[asked]
    section_of_cell = np.repeat(np.arange(len(gap.cells.ptr) - 1), np.diff(gap.cells.ptr))
    weight = gap.weight_mm
    inside, total = (np.zeros(len(plan.set_of)) for _ in range(2))
    inside += np.bincount(section_of_cell, weights=weight * (gap.inside_ms / 1000.0), minlength=len(inside))
    total += np.bincount(section_of_cell, weights=weight.astype(np.float64), minlength=len(total))
    own = np.bincount(keys, weights=(windows["outcome_responsible"] == "covered").to_numpy(), minlength=len(asked))
    head = pd.DataFrame(
        {
            "section_id": network.sections["section_id"].to_numpy()[asked],
            "rule_id": np.array(plan.rule_ids, dtype=object)[plan.rule_of[asked]]
            if len(asked)
            else np.zeros(0, dtype=object),
        }
    )
    duty = gap.duty_ms[sets] / 1000 if len(sets) else np.zeros(0)
    tail = pd.DataFrame(
        {
            "covered_responsible": own.astype(np.int64),
            "completed_patrols": gap.completed[asked],
            "longest_gap_s": gap.section_longest_ms[asked] / 1000,
            "within_share": inside[asked] / np.maximum(total[asked] * duty, 1e-9),
            "last_completed": stamp(gap.last_ms[asked], -1),
            "duty_s": duty,
            "named_by": named_by[asked],
        }
    )
    return pd.concat([head, counts, tail], axis=1)


def outcome_codes(outcome: pd.Series[str]) -> I8:
    """Index of each outcome in OUTCOMES."""
    return pd.Categorical(outcome, categories=list(OUTCOMES)).codes.astype(np.int64)


def segment_days(
    network: Network,
    plan: RoadPlan,
    strokes: Strokes,
    pieces: Pieces,
    windows: pd.DataFrame,
    gap: Gaps,
    passes: Passes,
) -> pd.DataFrame:
    """See the contract; `outcome` is that of the section's windows: the same one, or *partly*; *excused* where none of it is open."""
    size = len(network.segments)
    use = (strokes.flags[pieces.stroke] & (COUNTS | SLOW)) == (COUNTS | SLOW)
    segment = passes.segment_ix[pieces.stroke].astype(np.int64)
    by_segment = Pieces(pieces.stroke, segment, pieces.lo_mm, pieces.hi_mm, pieces.start_ms, pieces.end_ms)
    visited, _ = coverage.union_mm(by_segment, use, size)
    span = np.abs(network.seg_measure_to_mm.astype(np.int64) - network.seg_measure_from_mm)
    length = network.graph.seg_length_mm.astype(np.int64)
    kept = np.flatnonzero(use)
    fresh = np.ones(len(kept), dtype=np.bool_)
    fresh[1:] = pieces.stroke[kept][1:] != pieces.stroke[kept][:-1]
    first, last = np.full(size, _FAR), np.full(size, -1)
    np.minimum.at(first, segment[kept], pieces.start_ms[kept])
    np.maximum.at(last, segment[kept], pieces.end_ms[kept])
    asked = np.array(plan.set_of, dtype=np.int64)[network.seg_section] >= 0
    longest, inside, weight = np.zeros(size, dtype=np.int64), np.zeros(size), np.zeros(size)
    np.maximum.at(longest, gap.cells.segment, gap.longest_ms)
    inside += np.bincount(gap.cells.segment, weights=gap.cells.length_mm * (gap.inside_ms / 1000.0), minlength=size)
    weight += np.bincount(gap.cells.segment, weights=gap.cells.length_mm.astype(np.float64), minlength=size)
    duty = np.append(gap.duty_ms, 0)[np.array(plan.set_of, dtype=np.int64)][network.seg_section] / 1000
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(asked, inside / (weight * duty), np.nan)
    rules = np.array([*plan.rule_ids, None], dtype=object)[plan.rule_of]
    outcome = _day_outcomes(plan, windows)[network.seg_section]
    shut = np.bincount(gap.cells.segment, weights=gap.open_mm, minlength=size) == 0
    outcome[shut & np.isin(outcome, ("missed", "unknown", "partly"))] = "excused"
    return pd.DataFrame(
        {
            "segment_id": network.segments["segment_id"].to_numpy(),
            "section_id": network.sections["section_id"].to_numpy()[network.seg_section],
            "rule_id": rules[network.seg_section],
            "passes": np.bincount(segment[kept][fresh], minlength=size),
            "visited_mm": np.minimum(length, (visited * length + span // 2) // np.maximum(span, 1)),
            "first_pass": stamp(first, _FAR),
            "last_pass": stamp(last, -1),
            "longest_gap_s": np.where(asked, longest / 1000, np.nan),
            "within_share": within,
            "outcome": outcome,
        }
    )


def _day_outcomes(plan: RoadPlan, windows: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Outcome of a section's day: the same in all windows; *partly* where only some are covered; else the gravest of the rest."""
    size = len(plan.set_of)
    flat = plan.section_of_row * len(OUTCOMES) + outcome_codes(windows["outcome"])
    counts = np.bincount(flat, minlength=size * len(OUTCOMES)).reshape(size, len(OUTCOMES))
    out = np.full(size, "no_rule", dtype=object)
    for code, name in ((EXCUSED, "excused"), (UNKNOWN, "unknown"), (MISSED, "missed")):
        out[counts[:, code] > 0] = name
    some = counts[:, COVERED] > 0
    out[some] = np.where(counts[some, MISSED] + counts[some, UNKNOWN] > 0, "partly", "covered")
    return out
