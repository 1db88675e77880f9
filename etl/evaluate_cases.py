"""Further days of `xuncha evaluate`: phones in drawers, two in a car, street canyons, silences; and a week of community patrols."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etl.evaluate import MODES, TEST_SEEDS, USUAL, Evaluation, beside_sections, condition, joined, judge_ground
from gis.degrade import Degradation, ride_along
from gis.matching import Matcher
from gis.rehearsal import Habits, match, observe, rehearse
from gis.rehearsal_community import judge_week, rehearse_week

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.base import Progress
    from etl.evaluate import Ground
    from gis.calibration import CalibrationTable
    from gis.crew import Crew
    from gis.degrade import Observations
    from gis.model import Mode
    from gis.rehearsal import Rehearsal

INTERVAL_S, NOISE_M = 15.0, 8.0
DRAWER_SHARE, PAIR_NOISE_M = 0.15, 8.0
COMMUNITY_INTERVALS_S, COMMUNITY_NOISES_M = (30.0, 120.0), (8.0, 30.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of trouble.

    Attributes:
        name: short, Chinese and English.
        usual: errors of the phones.
        silent: share of devices that fall silent for one to three hours.
        drawers: share of devices that lie still for one to three hours while their bearer goes on.
        pairs: every bearer has a second phone on them, whose errors are its own.
    """

    name: str
    usual: Degradation = USUAL
    silent: float = 0.12
    drawers: float = 0.0
    pairs: bool = False


CASES = (
    Case("平常 usual"),
    Case("手机在抽屉 15% of phones in a drawer", drawers=DRAWER_SHARE),
    Case("一车两机 two phones each", pairs=True),
    Case("城市峡谷 canyons: half of the streets, 30 m", replace(USUAL, canyon_share=0.5, canyon_m=30.0)),
    Case("频繁中断 3 dropouts an hour", replace(USUAL, dropouts_per_hour=3.0)),
    Case("一半设备静默 half of the phones silent 1-3 h", silent=0.5),
)


def evaluate_cases(
    ground: Ground,
    *,
    seed: int = TEST_SEEDS[0],
    modes: Sequence[Mode] = MODES,
    cases: Sequence[Case] = CASES,
    table: CalibrationTable | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """The days of the evaluation again, with one trouble more each: `windows`, `plain`, `grids` and `passes` with a column `case`.

    Args:
        ground: network, rules, day (a working day).
        seed: of the days.
        modes: how squads move.
        cases: what is wrong.
        table: calibration to apply.
        progress: told how far it is.
    """
    matcher, beside = Matcher(ground.network.graph), beside_sections(ground.network)
    found = []
    for mode in modes:
        for k, case in enumerate(cases):
            # The same movement in every case: silences and drawers are drawn after it.
            rng = np.random.default_rng([seed, int(mode)])
            place = (ground.network, ground.standard, ground.day, ground.zone)
            habits = Habits(silent=case.silent)
            day = rehearse(*place, mode=mode, rng=rng, work_grids=ground.work_grids, habits=habits)
            how = replace(case.usual, interval_s=INTERVAL_S, noise_m=NOISE_M, drawers=_drawers(day, case, rng))
            here = {"mode": mode.name.lower(), "case": case.name, "seed": seed}
            seen = observe(ground.network, day, how, rng=np.random.default_rng([seed, int(mode), k]))
            if case.pairs:
                seen, day = _paired(seen, day, rng)
            true = judge_ground(ground, day.moved.passes, day.crew)
            found.append(condition(ground, matcher, beside, day, true, seen, here, table))
            if progress is not None:
                progress("cases", len(found), len(modes) * len(cases))
    return joined(found)


def _drawers(day: Rehearsal, case: Case, rng: np.random.Generator) -> tuple[tuple[int, int, int], ...]:
    """Which phones lie in a drawer, and when."""
    out = []
    for k in np.flatnonzero(rng.random(len(day.moved.devices)) < case.drawers).tolist():
        span = int(day.moved.ends_ms[k] - day.moved.starts_ms[k])
        begin = int(day.moved.starts_ms[k]) + int(rng.random() * span)
        out.append((k, begin, begin + int(rng.uniform(1.0, 3.0) * 3_600_000)))
    return tuple(out)


def _paired(seen: Observations, day: Rehearsal, rng: np.random.Generator) -> tuple[Observations, Rehearsal]:
    """A second phone on every bearer."""
    extra = {f"{d}b": i for i, d in enumerate(seen.devices)}
    both = ride_along(seen, extra, rng=rng, noise_m=PAIR_NOISE_M)
    carries = [c for own in day.crew.carries for c in (own, replace(own, device_id=f"{own.device_id}b"))]
    crew: Crew = replace(day.crew, carries=tuple(sorted(carries, key=lambda c: (c.device_id, c.start_ms, c.person_ix))))
    return both, replace(day, crew=crew)


def evaluate_community(
    ground: Ground,
    *,
    seed: int = TEST_SEEDS[0],
    intervals_s: Sequence[float] = COMMUNITY_INTERVALS_S,
    noises_m: Sequence[float] = COMMUNITY_NOISES_M,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """A week of community patrols: grid_id, rule_id, call, truth, interval_s, noise_m; empty where the network has no community grids.

    Args:
        ground: network, rules, a day of the week to simulate.
        seed: of the week.
        intervals_s: times between fixes.
        noises_m: standard deviations of the error on each axis.
        progress: told how far it is.
    """
    columns = ["grid_id", "rule_id", "starts", "call", "truth", "interval_s", "noise_m"]
    if ground.community_grids is None or not len(ground.community_grids) or ground.areas is None:
        return pd.DataFrame(columns=columns)
    first = ground.day - timedelta(days=ground.day.weekday())
    where: dict[str, Any] = {"community_grids": ground.community_grids, "areas": ground.areas}
    place = (ground.standard, first, ground.zone)
    week = rehearse_week(ground.network, *place, rng=np.random.default_rng([seed, 7]), **where)
    true = judge_week(ground.network, [(d.moved.passes, d.crew) for d in week], *place, **where)
    matcher = Matcher(ground.network.graph)
    conditions = [(i, n) for i in intervals_s for n in noises_m]
    out = []
    for interval_s, noise_m in conditions:
        how = replace(USUAL, interval_s=interval_s, noise_m=noise_m)
        rng = np.random.default_rng([seed, 7, int(interval_s * 10), int(noise_m * 10)])
        history = [
            match(ground.network, matcher, observe(ground.network, d, how, rng=rng), d.crew, ground.standard)
            for d in week
        ]
        said = judge_week(ground.network, history, *place, **where)
        both = said.merge(true, on=["grid_id", "rule_id", "starts"], suffixes=("", "_true"))
        both = both.rename(columns={"outcome": "call", "outcome_true": "truth"})
        out.append(both.assign(interval_s=interval_s, noise_m=noise_m)[columns])
        if progress is not None:
            progress("community", len(out), len(conditions))
    return pd.concat(out, ignore_index=True)
