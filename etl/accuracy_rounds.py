"""The section on rounds of work grids in `docs/accuracy.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etl.evaluate import score_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from gis.calibration import CalibrationTable

HEAD = {
    "certain": "看到轮次 seen", "likely": "最可能 likely", "possible": "最多可能 at most", "truth_rounds": "真实轮次 true",
    "rounds_true": "真实轮次率 true rate of rounds", "rounds_low": "下限 low", "rounds_high": "上限 high",
    "held": "上下限含真值 bounds hold", "exact": "最可能正确 likely is right",
}  # fmt: skip
_KEPT = ("precision_covered", "recall_covered", "precision_missed", "recall_missed", "unknown_share")
_WORDS = """## 网格轮次 | Rounds of work grids

另行模拟的一天：每个工作网格实际巡 0 轮到应完成轮次加 2 轮，最后一轮常不巡完，有的整天或逐轮漏掉一些道路，一至五名采集员分片。
真值由同一规则从真实经过判定。轮次率：每格计至应完成轮次。上下限含真值：看到轮次 ≤ 真实轮次 ≤ 最多可能轮次的网格占比。
Days simulated apart: every grid is truly gone round between no times and two more than it owes, the last round often unfinished; some leave
streets out all day or in single rounds; one to five collectors share a grid. Truth by the same rules from true passes. The rate of rounds
counts each grid up to what it owes. *Bounds hold*: the share of grids with seen ≤ true ≤ at most.

校准 | calibration: {version}（{fitted_on}）；种子 seed {seeds}，未用于拟合 | not in the fit"""


def rounds_section(called: pd.DataFrame, table: CalibrationTable, markdown: Callable[[pd.DataFrame], str]) -> str:
    """The section: calls and bounds by mode and interval, and by rule and noise, in Markdown.

    Args:
        called: of `etl.evaluate_rounds.called_rounds`.
        table: the calibration that they were called with.
        markdown: writes a table.
    """
    seeds = ", ".join(str(s) for s in sorted(called["seed"].unique()))
    words = _WORDS.format(version=table.version, fitted_on=table.fitted_on, seeds=seeds)
    groups = (["mode", "interval_s"], ["rule_id", "noise_m"], ["mode", "interval_s", "noise_m"])
    names = {**HEAD, "grids": "网格 grids"}
    return "\n\n".join([words, *(markdown(rounds_scores(called, by).rename(columns=names)) for by in groups)])


def rounds_scores(called: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Scores of groups of grids: calls, mean rounds, rates of rounds with their bounds, and how often the bounds hold the truth."""
    rows = called.assign(
        held=(called["certain"] <= called["truth_rounds"]) & (called["truth_rounds"] <= called["possible"]),
        exact=called["likely"] == called["truth_rounds"],
    )
    for name, column in (("rounds_true", "truth_rounds"), ("rounds_low", "certain"), ("rounds_high", "possible")):
        rows[name] = np.minimum(rows[column], rows["required"])
    means = rows.groupby(list(by), sort=True)[["truth_rounds", "certain", "likely", "possible", "held", "exact"]].mean()
    sums = rows.groupby(list(by), sort=True)[["rounds_true", "rounds_low", "rounds_high", "required"]].sum()
    rates = sums[["rounds_true", "rounds_low", "rounds_high"]].div(sums["required"], axis=0)
    scores = score_table(called, by)[[*by, "windows", *_KEPT]].rename(columns={"windows": "grids"})
    return scores.merge(means.join(rates).reset_index(), on=list(by))
