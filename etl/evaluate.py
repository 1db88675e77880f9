"""The engine of `xuncha evaluate`: simulated days over a city's own network, audited and held against their truth.

For every mode, interval between fixes and noise: how often a call is right, how much is called unknown and what was true there, how far
the rates are off, and the metres of the passes. `etl.accuracy` makes `docs/accuracy.md` of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.calibration import CalibrationTable, CallModel, Doubt, calibrate, features, fit, quality_of
from gis.degrade import Degradation
from gis.evaluate import compare_windows, confusion, score_passes, scores
from gis.matching import Matcher
from gis.model import Mode
from gis.parallel_streets import parallel_shares
from gis.rehearsal import Judged, Rehearsal, judge, match, observe, rehearse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from etl.base import Progress
    from gis.crew import Crew
    from gis.degrade import Observations
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import Standard

INTERVALS_S = (5.0, 15.0, 30.0, 60.0, 120.0, 180.0)
NOISES_M = (3.0, 8.0, 15.0, 30.0)
# Interval and noise of a fix a second: ten seconds and more of processor time a condition, so only two.
DENSE = ((1.0, 8.0), (1.0, 30.0))
MODES = (Mode.FOOT, Mode.EBIKE, Mode.VEHICLE)
REASONS = ("missed", "covered", "silent", "inferred", "doubted_not_passed", "doubted_partial", "doubted_too_fast")
# Chosen on days of CHOICE_SEEDS, and on days of Beijing and Guangzhou, so that decided calls are right in 98 of 100 under nearly all
# conditions with the fewest unknown: what others give is in docs/method.md (benchmarks/doubt_limits.py).
DOUBT_MISSED, DOUBT_COVERED = Doubt(0.02), Doubt(0.97, 3.0, 0.95)
FIT_SEEDS, CHOICE_SEEDS, TEST_SEEDS = (101, 102, 201), (401,), (601,)
USUAL = Degradation(
    correlation_s=60.0, jitter_share=0.1, canyon_share=0.05, canyon_m=12.0, dropouts_per_hour=0.3, jump_share=0.001, duplicate_share=0.005,
    late_share=0.01,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Where the simulated days take place: a network with its rules."""

    network: Network
    standard: Standard
    zone: ZoneInfo
    day: date
    work_grids: gpd.GeoDataFrame | None = None
    community_grids: gpd.GeoDataFrame | None = None
    areas: gpd.GeoDataFrame | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What came of it.

    Attributes:
        windows: every window with mode, interval_s, noise_m, seed, policy_class, call, truth, probability.
        plain: the same windows by the rules alone, without calibration.
        grids: every grid with mode, interval_s, noise_m, seed: rounds said and true, call and truth.
        passes: per condition: recall, precision and f1 of metres.
        x: features of the windows, in the same order.
    """

    windows: pd.DataFrame
    plain: pd.DataFrame
    grids: pd.DataFrame
    passes: pd.DataFrame
    x: npt.NDArray[np.float64]


def evaluate(
    ground: Ground,
    *,
    seeds: Sequence[int] = TEST_SEEDS,
    intervals_s: Sequence[float] = INTERVALS_S,
    noises_m: Sequence[float] = NOISES_M,
    also: Sequence[tuple[float, float]] = (),
    modes: Sequence[Mode] = MODES,
    table: CalibrationTable | None = None,
    usual: Degradation = USUAL,
    progress: Progress | None = None,
) -> Evaluation:
    """Simulate, audit and compare, over a grid of conditions.

    Args:
        ground: network, rules, day (a working day).
        seeds: one simulated day each, per mode.
        intervals_s: times between fixes.
        noises_m: standard deviations of the error on each axis.
        also: further pairs of the two.
        modes: how squads move.
        table: calibration to apply; None judges by the rules alone.
        usual: all other errors.
        progress: told how far it is.
    """
    matcher = Matcher(ground.network.graph)
    beside = beside_sections(ground.network)
    found: list[Found] = []
    conditions = [*also, *((i, n) for i in intervals_s for n in noises_m)]
    for seed in seeds:
        for mode in modes:
            rng = np.random.default_rng([seed, int(mode)])
            place = (ground.network, ground.standard, ground.day, ground.zone)
            day = rehearse(*place, mode=mode, rng=rng, work_grids=ground.work_grids)
            true = judge_ground(ground, day.moved.passes, day.crew)
            for interval_s, noise_m in conditions:
                here = {"mode": mode.name.lower(), "interval_s": interval_s, "noise_m": noise_m, "seed": seed}
                how = replace(usual, interval_s=interval_s, noise_m=noise_m)
                order = [seed, int(day.moved.passes.mode.max()), int(interval_s * 10), int(noise_m * 10)]
                seen = observe(ground.network, day, how, rng=np.random.default_rng(order))
                found.append(condition(ground, matcher, beside, day, true, seen, here, table))
                if progress is not None:
                    progress("evaluate", len(found), len(seeds) * len(modes) * len(conditions))
    return joined(found)


def beside_sections(network: Network) -> pd.DataFrame:
    """`parallel_shares` by section_id."""
    return pd.DataFrame(parallel_shares(network), index=network.sections["section_id"])


def joined(found: Sequence[Found]) -> Evaluation:
    """Conditions put together."""
    return Evaluation(
        windows=pd.concat([f.windows for f in found], ignore_index=True),
        plain=pd.concat([f.plain for f in found], ignore_index=True),
        grids=pd.concat([f.grids for f in found], ignore_index=True),
        passes=pd.DataFrame([f.passes for f in found]),
        x=np.concatenate([f.x for f in found]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One condition of an evaluation: see `Evaluation`."""

    windows: pd.DataFrame
    plain: pd.DataFrame
    grids: pd.DataFrame
    passes: dict[str, Any]
    x: npt.NDArray[np.float64]


def condition(
    ground: Ground, matcher: Matcher, beside: pd.DataFrame, day: Rehearsal, true: Judged, seen: Observations, here: dict[str, Any],
    table: CalibrationTable | None,
) -> Found:  # fmt: skip
    """Audit what was seen of one day and compare it with its truth; `beside` by section_id, `here` names the condition."""
    passes, crew = match(ground.network, matcher, seen, day.crew, ground.standard)
    return matched_condition(ground, beside, day, true, passes, crew, here, table, fixes=len(seen.t_ms))


def matched_condition(
    ground: Ground, beside: pd.DataFrame, day: Rehearsal, true: Judged, passes: Passes, crew: Crew, here: dict[str, Any],
    table: CalibrationTable | None, *, fixes: int,
) -> Found:  # fmt: skip
    """The same from its passes and the crew with its silences; `fixes`: how many there were."""
    said = judge_ground(ground, passes, crew)
    classes = ground.network.sections.set_index("section_id")["policy_class"]
    plain = compare_windows(said.section_windows, true.section_windows, classes=classes)
    called = plain
    known = (
        said.section_windows,
        beside.loc[said.section_windows["section_id"]].to_numpy(),
        quality_of(passes, crew),
        crew,
    )
    roles = {k: r.roles for k, r in ground.standard.road_rules().items()}
    if table is not None:
        calibrated = calibrate(*known, table, roles=roles)
        called = compare_windows(calibrated, true.section_windows, classes=classes)
    metres = {"fixes": fixes, **_metres(day.moved.passes, passes)}
    return Found(
        called.assign(**here), plain.assign(**here), _grids(said.grid_days, true.grid_days).assign(**here), {**here, **metres},
        features(*known, roles),
    )  # fmt: skip


def judge_ground(ground: Ground, passes: Passes, crew: Crew) -> Judged:
    """The audit's rules, without calibration, on passes of a ground's day."""
    return judge(ground.network, passes, crew, ground.standard, ground.day, ground.zone, work_grids=ground.work_grids)


def _metres(true: Any, found: Any) -> dict[str, float]:
    s = score_passes(true, found)
    return {"recall": s.recall, "precision": s.precision, "f1": s.f1}


def _grids(said: pd.DataFrame, true: pd.DataFrame) -> pd.DataFrame:
    both = said.merge(true, on=["grid_id", "rule_id"], suffixes=("", "_true"))
    return pd.DataFrame(
        {
            "grid_id": both["grid_id"], "rule_id": both["rule_id"], "call": both["outcome"], "truth": both["outcome_true"],
            "rounds": both["completed_rounds"], "rounds_true": both["completed_rounds_true"],
        }
    )  # fmt: skip


def score_table(compared: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Scores of groups of windows (or grids): one row a group, the columns of `gis.evaluate.Scores`."""
    rows = []
    for key, group in compared.groupby(list(by), sort=True, observed=True):
        rows.append({**dict(zip(by, key, strict=True)), **asdict(scores(confusion(group)))})
    return pd.DataFrame(rows)


def reason_table(called: pd.DataFrame, plain: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """What became of the windows that were truly missed, and why so many of them are unknown: shares, one row a group.

    Args:
        called: windows as called, with calibration.
        plain: the same windows, in the same order, by the rules alone; their cause tells what a doubted call rested on.
        by: columns to group by.

    Returns:
        columns of `by`, windows (truly missed), missed (called so), covered (called so), silent and inferred (unknown by the rules),
        doubted_not_passed, doubted_partial, doubted_too_fast (a *missed* that the data cannot support, by its cause), other.
    """
    call, cause = called["call"].to_numpy(dtype=object), called["cause"].to_numpy(dtype=object)
    doubted = pd.Series("doubted_" + plain["cause"].fillna("").astype(str).to_numpy(dtype=object))
    reason = np.where(call == "unknown", np.where(cause == "unsupported", doubted, cause), call)
    known = pd.Series(reason, index=called.index).where(np.isin(reason, REASONS), "other")
    lost = (called["truth"] == "missed").to_numpy()
    counts = pd.crosstab([called.loc[lost, b] for b in by], known[lost]).reindex(
        columns=[*REASONS, "other"], fill_value=0
    )
    shares = counts.div(counts.sum(axis=1), axis=0)
    shares.insert(0, "windows", counts.sum(axis=1))
    return shares.rename_axis(columns=None).reset_index()


def fit_calibration(
    days: Sequence[Evaluation], *, version: str, fitted_on: str, doubt_missed: Doubt = DOUBT_MISSED,
    doubt_covered: Doubt = DOUBT_COVERED,
) -> CalibrationTable:  # fmt: skip
    """A calibration fitted on simulated days, each evaluated apart by the rules alone, none of them of the report."""
    return CalibrationTable(version, fitted_on, doubt_missed, doubt_covered, fit_days(days))


def fit_days(days: Sequence[Evaluation]) -> dict[str, CallModel]:
    """The models of simulated days: every day corrects, and none itself."""
    windows, x = pd.concat([d.windows for d in days], ignore_index=True), np.concatenate([d.x for d in days])
    fold = np.repeat(np.arange(len(days)), [len(d.windows) for d in days])
    asked = windows["truth"].isin(("covered", "missed")).to_numpy() & (windows["cause"] != "no_rostered").to_numpy()
    return fit(windows[asked], x[asked], fold=fold[asked])


def calibration_source(table: CalibrationTable) -> str:
    """A fitted table as the Python module `gis/calibration_fitted.py`."""

    def line(values: Sequence[float], digits: int = 5) -> str:
        return "(" + ", ".join(f"{v:.{digits}g}" for v in values) + ")"

    def written(models: Mapping[str, CallModel]) -> str:
        return "\n".join(
            f'        "{k}": CallModel(\n            {line(m.weights, 7)},\n'
            f"            {line(m.raw)},\n            {line(m.calibrated)},\n        ),"
            for k, m in models.items()
        )

    def doubt(d: Doubt) -> str:
        return repr(d).replace("inf", 'float("inf")').replace("nan", 'float("nan")')

    return f'''"""The fitted calibration. Made by `benchmarks/fit_calibration.py`; do not edit: fit anew and give it a new version."""

from __future__ import annotations

from gis.calibration import CalibrationTable, CallModel, Doubt

# fmt: off
# ruff: noqa: E501 (one line a table)
TABLES = (
    CalibrationTable(
        version="{table.version}",
        fitted_on="{table.fitted_on}",
        doubt_missed={doubt(table.doubt_missed)},
        doubt_covered={doubt(table.doubt_covered)},
        models={{
{written(table.models)}
        }},
        unit_models={{
{written(table.unit_models)}
        }},
        unit_fitted_on="{table.unit_fitted_on}",
    ),
)
'''
