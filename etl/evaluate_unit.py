"""Days of `xuncha evaluate` on which nobody answers: the same patrols with nobody named for anything, and without any roster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from etl.evaluate import MODES, TEST_SEEDS, USUAL, Evaluation, beside_sections, joined, judge_ground, matched_condition
from gis.crew import with_fixes
from gis.matching import Matcher
from gis.rehearsal import fixes_of, no_roster, nobody_named, observe, rehearse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.base import Progress
    from etl.evaluate import Ground
    from gis.calibration import CalibrationTable
    from gis.model import Mode
    from gis.rehearsal import Habits

NOBODY_NAMED, NO_ROSTER = "无人被指定 nobody named", "没有名册，设备计入 no roster, devices count"
KINDS = {NOBODY_NAMED: nobody_named, NO_ROSTER: no_roster}
UNIT_INTERVALS_S, UNIT_NOISES_M = (15.0, 60.0, 180.0), (8.0, 30.0)


def evaluate_unit(
    ground: Ground,
    *,
    seeds: Sequence[int] = TEST_SEEDS,
    intervals_s: Sequence[float] = UNIT_INTERVALS_S,
    noises_m: Sequence[float] = UNIT_NOISES_M,
    modes: Sequence[Mode] = MODES,
    table: CalibrationTable | None = None,
    habits: Habits | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """The days of the evaluation with nobody to answer: as `etl.evaluate.evaluate`, with a column `kind`.

    What the phones report is matched once for both kinds.

    Args:
        ground: network, rules, day (a working day).
        seeds: one simulated day each, per mode.
        intervals_s: times between fixes.
        noises_m: standard deviations of the error on each axis.
        modes: how squads move.
        table: calibration to apply; None judges by the rules alone.
        habits: how well they patrol, and how many fall silent.
        progress: told how far it is.
    """
    matcher, beside = Matcher(ground.network.graph), beside_sections(ground.network)
    conditions = [(i, n) for i in intervals_s for n in noises_m]
    found = []
    for seed in seeds:
        for mode in modes:
            rng = np.random.default_rng([seed, int(mode)])
            place = (ground.network, ground.standard, ground.day, ground.zone)
            day = rehearse(*place, mode=mode, rng=rng, work_grids=ground.work_grids, habits=habits)
            days = {kind: of(day) for kind, of in KINDS.items()}
            true = {kind: judge_ground(ground, d.moved.passes, d.crew) for kind, d in days.items()}
            for interval_s, noise_m in conditions:
                order = [seed, int(mode), int(interval_s * 10), int(noise_m * 10)]
                how = replace(USUAL, interval_s=interval_s, noise_m=noise_m)
                fixes = fixes_of(ground.network, observe(ground.network, day, how, rng=np.random.default_rng(order)))
                passes = matcher.match(fixes)
                for kind, d in days.items():
                    here = {
                        "kind": kind,
                        "mode": mode.name.lower(),
                        "interval_s": interval_s,
                        "noise_m": noise_m,
                        "seed": seed,
                    }
                    crew = with_fixes(d.crew, fixes, ground.standard)
                    found.append(
                        matched_condition(
                            ground, beside, d, true[kind], passes, crew, here, table, fixes=len(fixes.t_ms)
                        )
                    )
                if progress is not None:
                    progress("evaluate", len(found), len(seeds) * len(modes) * len(conditions) * len(KINDS))
    return joined(found)
