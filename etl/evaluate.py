"""The engine of `xuncha evaluate`: simulated days over a city's own network, audited and held against their truth.

For every mode, interval between fixes and noise: how often a call is right, how much is called unknown and what was true there, how far
the rates are off, and the metres of the passes. `etl.accuracy` makes `docs/accuracy.md` of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.calibration import CalibrationTable, Doubt, calibrate, features, fit, quality_of
from gis.degrade import Degradation
from gis.evaluate import compare_windows, confusion, score_passes, scores
from gis.matching import Matcher
from gis.model import Mode
from gis.rehearsal import Judged, Rehearsal, judge, match, observe, rehearse

if TYPE_CHECKING:
    from collections.abc import Sequence
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
# Interval and noise of a fix a second: fifteen seconds of processor time a condition, so only two, in the report alone.
DENSE = ((1.0, 8.0), (1.0, 30.0))
MODES = (Mode.FOOT, Mode.EBIKE, Mode.VEHICLE)
REASONS = ("missed", "covered", "silent", "inferred", "doubted_not_passed", "doubted_partial", "doubted_too_fast")
# Chosen on CHOICE_SEEDS together, so that decided calls are right in 98 of 100 under nearly all conditions with the fewest unknown:
# what others give is in docs/method.md (benchmarks/doubt_limits.py).
DOUBT_MISSED, DOUBT_COVERED = Doubt(0.015, 5.5, 0.05), Doubt(0.95, 3.0, 0.93)
FIT_SEEDS, HONEST_SEEDS, CHOICE_SEEDS, TEST_SEEDS = (101, 102), (201,), (102, 201, 401), (301,)
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
                found.append(condition(ground, matcher, day, true, seen, here, table))
                if progress is not None:
                    progress("evaluate", len(found), len(seeds) * len(modes) * len(conditions))
    return joined(found)


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
    ground: Ground, matcher: Matcher, day: Rehearsal, true: Judged, seen: Observations, here: dict[str, Any],
    table: CalibrationTable | None,
) -> Found:  # fmt: skip
    """Audit what was seen of one day and compare it with its truth; `here` names the condition."""
    passes, crew = match(ground.network, matcher, seen, day.crew, ground.standard)
    said = judge_ground(ground, passes, crew)
    classes = ground.network.sections.set_index("section_id")["policy_class"]
    plain = compare_windows(said.section_windows, true.section_windows, classes=classes)
    called = plain
    quality = quality_of(passes, crew)
    if table is not None:
        calibrated = calibrate(said.section_windows, quality, crew, table)
        called = compare_windows(calibrated, true.section_windows, classes=classes)
    metres = {"fixes": len(seen.t_ms), **_metres(day.moved.passes, passes)}
    return Found(
        called.assign(**here), plain.assign(**here), _grids(said.grid_days, true.grid_days).assign(**here), {**here, **metres},
        features(said.section_windows, quality, crew),
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
    ground: Ground, *, version: str, fitted_on: str, doubt_missed: Doubt = DOUBT_MISSED, doubt_covered: Doubt = DOUBT_COVERED,
    progress: Progress | None = None, **conditions: Any,
) -> CalibrationTable:  # fmt: skip
    """A calibration fitted on some simulated days and corrected on others; neither are the days of the report."""
    found = evaluate(ground, seeds=(*FIT_SEEDS, *HONEST_SEEDS), progress=progress, **conditions)
    asked = found.windows["truth"].isin(("covered", "missed")).to_numpy()
    windows = found.windows[asked]
    honest = windows["seed"].isin(HONEST_SEEDS).to_numpy()
    return CalibrationTable(
        version, fitted_on, doubt_missed, doubt_covered, fit(windows, found.x[asked], honest=honest)
    )


def calibration_source(table: CalibrationTable) -> str:
    """A fitted table as the Python module `gis/calibration_tables.py`."""

    def line(values: Sequence[float]) -> str:
        return "(" + ", ".join(f"{v:.5g}" for v in values) + ")"

    models = "\n".join(
        f'        "{k}": CallModel(\n            {line(m.weights)},\n'
        f"            {line(m.raw)},\n            {line(m.calibrated)},\n        ),"
        for k, m in table.models.items()
    )
    return f'''"""Fitted calibrations by name. Made by `etl.evaluate.fit_calibration`; do not edit: fit anew and give it a new version."""

from __future__ import annotations

from gis.calibration import CalibrationTable, CallModel, Doubt
from gis.errors import Fault, SettingsError

# fmt: off
# ruff: noqa: E501 (one line a table)
_TABLES = (
    CalibrationTable(
        version="{table.version}",
        fitted_on="{table.fitted_on}",
        doubt_missed={table.doubt_missed!r},
        doubt_covered={table.doubt_covered!r},
        models={{
{models}
        }},
    ),
)
# fmt: on


def table_named(version: str) -> CalibrationTable:
    """The table of a version.

    Raises:
        SettingsError: no such table.
    """
    for table in _TABLES:
        if table.version == version:
            return table
    known = "、".join(t.version for t in _TABLES)
    raise SettingsError(
        Fault(
            "standard.calibration", f"没有名为 {{version}} 的校准表", f"there is no calibration {{version}}", f"可用：{{known}}",
            f"known: {{known}}", column="calibration.calls",
        )
    )  # fmt: skip


def latest() -> CalibrationTable:
    """The newest table."""
    return _TABLES[-1]
'''
