"""`docs/accuracy.md`: what an evaluation found, as tables, with the machine, the versions and the date of the run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from etl.accuracy_rounds import rounds_section
from etl.evaluate import reason_table, score_table
from gis.evaluate import brier, reliability

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import pandas as pd

    from etl.evaluate import Evaluation
    from etl.evaluate_networks import Part
    from gis.calibration import CalibrationTable

_LIBRARIES = ("numpy", "numba", "scipy", "shapely", "pandas")
_HEAD = {
    "mode": "方式 mode", "interval_s": "间隔 interval (s)", "noise_m": "噪声 noise (m)",
    "rule_id": "规则 rule", "policy_class": "等级 class",
    "windows": "应巡 windows", "precision_covered": "已巡准确 covered: precision", "recall_covered": "已巡召回 covered: recall",
    "precision_missed": "漏巡准确 missed: precision", "recall_missed": "漏巡召回 missed: recall", "unknown_share": "未知 unknown",
    "unknown_covered": "其中已巡 of it covered", "rate_true": "真实率 true rate", "rate_low": "下限 low", "rate_high": "上限 high",
    "rate_error": "误差 error", "recall": "里程召回 recall (m)", "precision": "里程准确 precision (m)", "f1": "F1",
    "missed": "判为漏巡 called missed", "covered": "误判已巡 called covered", "silent": "失联 silent", "inferred": "只能推断 inferred",
    "doubted_not_passed": "存疑：未到 doubted: not passed", "doubted_partial": "存疑：部分 doubted: partial",
    "doubted_too_fast": "存疑：过快 doubted: too fast", "other": "其他 other",
    "case": "情形 case", "kind": "名册 roster", "low": "从 from", "high": "到 to", "said": "所称 said", "happened": "实际 happened",
}  # fmt: skip
GOOD_S, GOOD_M = 30.0, 8.0  # data that an office can ask its phones for


def report(
    found: Evaluation,
    *,
    place: str,
    today: date,
    table: CalibrationTable,
    seconds: float,
    command: str,
    cases: Evaluation | None = None,
    community: pd.DataFrame | None = None,
    rounds: pd.DataFrame | None = None,
    rounds_table: CalibrationTable | None = None,
    networks: Sequence[str] = (),
    unit: Evaluation | None = None,
    demo: pd.DataFrame | None = None,
) -> str:
    """The page in Markdown.

    Args:
        found: the evaluation.
        cases: troubles with phones (`etl.evaluate_cases`).
        community: a week of community patrols (likewise).
        rounds: days of rounds (`etl.evaluate_rounds.called_rounds`).
        rounds_table: the calibration of rounds.
        networks: sections on other networks (`network_section`).
        unit: days on which nobody answers (`etl.evaluate_unit`).
        demo: the sample county as an office would audit it (`etl.evaluate_demo`).
        place: name of the network.
        today: date of the run.
        table: the calibration.
        seconds: processor time that it took.
        command: how to make the page again.
    """
    w, p = found.windows, found.plain
    parts = [
        _intro(w, place=place, today=today, table=table, seconds=seconds, command=command),
        f"## 按方式、间隔与噪声 | By mode, interval and noise\n\n{_DENSE}\n\n" + markdown(_conditions(found)),
        "## 按规则与等级 | By rule and class\n\n"
        + markdown(score_table(_named(w), ["rule_id", "policy_class", "mode"]).drop(columns=["rate_low", "rate_high"])),
        _reasons(w, p),
        "## 不做校准时 | By the rules alone, without calibration\n\n"
        + markdown(score_table(p, ["mode", "interval_s"])),
        "## 校准后 | With calibration\n\n" + markdown(score_table(w, ["mode", "interval_s"])),
        _reliability(w, p),
        *([_cases(cases)] if cases is not None else []),
        *([_unit(unit)] if unit is not None else []),
        *([_demo(demo)] if demo is not None else []),
        *([rounds_section(rounds, rounds_table, markdown)] if rounds is not None and rounds_table is not None else []),
        *([_community(community)] if community is not None else []),
        *([_NETWORKS, *networks] if networks else []),
        _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def network_section(found: Evaluation, part: Part, *, place: str, seconds: float, command: str) -> str:
    """The short section of one network: what was simulated there, and the scores by mode, interval and noise."""
    whole = part.km >= part.km_all
    which_zh = "全部" if whole else f"最靠中心的 {part.km:,.1f} km，全网共 {part.km_all:,.1f} km"
    which_en = "all" if whole else f"the {part.km:,.1f} km next to the middle, of {part.km_all:,.1f} km"
    graph = part.ground.network.graph
    return f"""### {place}

`{command}`，处理器时间 processor time {seconds:.0f} s。
{graph.segment_count:,} 条边；有规则的路段 {part.sections:,} 条（{which_zh}），{len(found.windows):,} 个时段。
{graph.segment_count:,} segments; {part.sections:,} sections with a rule ({which_en}), {len(found.windows):,} windows.

{markdown(_conditions(found))}"""


def _named(w: pd.DataFrame) -> pd.DataFrame:
    return w[w["truth"].isin(("covered", "missed"))]


def _intro(w: pd.DataFrame, *, place: str, today: date, table: CalibrationTable, seconds: float, command: str) -> str:
    libraries = "、".join(f"{n} {version(n)}" for n in _LIBRARIES)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} × CPU, Python {platform.python_version()}"
    seeds = ", ".join(str(s) for s in sorted(w["seed"].unique()))
    return f"""# 准确度 | Accuracy

审核有多少次会错：在 {place} 的路网上模拟巡查（真值已知），降质后照常审核，再与真值比对。
How often the audit is wrong: simulated patrols on the network of {place}, whose truth is known, are degraded, audited as usual and
compared.

- 生成 | made by: `{command}`，{today:%Y-%m-%d}，处理器时间 processor time {seconds:.0f} s
- 机器 | machine: {machine}
- 版本 | versions: {libraries}
- 校准 | calibration: {table.version}（{table.fitted_on}）；此处各日（种子 {seeds}）未用于拟合
  | the days here (seeds {seeds}) were not used to fit it
- 时段 | windows: {len(w):,}；真值由同一规则从真实经过判定 | truth is judged by the same rules from the true passes, nobody silent

**准确 precision**：判为已巡（漏巡）的时段中，真实如此的比例。
**召回 recall**：真实已巡（漏巡）的时段中，被如此判定的比例；判为未知的不计入召回。
**误差 error**：真实率与上下限区间的距离，区间包含真值为 0。里程按设备、路段、小时去重。
*Precision*: of the windows so called, the share that truly were. *Recall*: of those that truly were, the share called so; *unknown* costs
recall. *Error*: distance of the true rate from the printed bounds, 0 where they hold it. Metres are distinct by device, segment and hour.

误差模型 | error model：一阶高斯-马尔可夫，相关时间 60 s；每小时 0.3 次中断；5% 路段有城市峡谷漂移；
0.1% 跳点、0.5% 重复、1% 迟到；12% 的设备静默 1-3 小时。
Gauss-Markov noise with 60 s correlation, 0.3 dropouts an hour, canyon drift on 5 % of the segments, 0.1 % jumps, 0.5 % duplicates,
1 % late; 12 % of the devices fall silent for one to three hours."""


def _conditions(e: Evaluation) -> pd.DataFrame:
    by = ["mode", "interval_s", "noise_m"]
    metres = e.passes.groupby(by, sort=True)[["recall", "precision", "f1"]].mean().reset_index()
    return score_table(e.windows, by).merge(metres, on=by).drop(columns=["rate_low", "rate_high", "windows"])


def _reasons(w: pd.DataFrame, p: pd.DataFrame) -> str:
    """Why windows that were truly missed are unknown: all conditions by mode and interval, and good data by rule."""
    good = ((w["interval_s"] <= GOOD_S) & (w["noise_m"] <= GOOD_M)).to_numpy()
    return "\n\n".join(
        (
            _REASONS,
            markdown(reason_table(w, p, ["mode", "interval_s"])),
            _GOOD,
            markdown(reason_table(w[good], p[good], ["rule_id", "mode"])),
        )
    )


def _reliability(calibrated: pd.DataFrame, plain: pd.DataFrame) -> str:
    out = ["## 把握是否可信 | Is the probability honest", ""]
    for title, frame in (("校准后 | calibrated", calibrated), ("原始 | raw", plain)):
        asked = frame[frame["truth"].isin(("covered", "missed"))]
        said, happened = asked["probability"].to_numpy(dtype=float), (asked["truth"] == "covered").to_numpy()
        table = reliability(said, happened)
        off = float(np.average(np.abs(table["said"] - table["happened"]), weights=table["windows"]))
        out += [
            f"### {title}: Brier {brier(said, happened):.4f}，平均偏差 mean deviation {off:.3f}",
            "",
            markdown(table),
            "",
            _diagram(table),
            "",
        ]
    return "\n".join(out).rstrip()


def _diagram(table: pd.DataFrame) -> str:
    """Reliability diagram as text: where the bar ends at its mark, the probability is honest."""
    lines = ["```text", "所称 said   实际 happened（█）与所称（|）  0 … 1"]
    for said, happened in zip(table["said"], table["happened"], strict=True):
        bar = list("█" * round(happened * 50) + " " * (50 - round(happened * 50)))
        bar[min(round(said * 50), 49)] = "|"
        lines.append(f"{said:5.2f}  {''.join(bar)}".rstrip())
    return "\n".join([*lines, "```"])


def _cases(e: Evaluation) -> str:
    """Troubles with phones, one at a time, beside the usual day."""
    by = ["case", "mode"]
    order = list(dict.fromkeys(e.windows["case"]))
    metres = e.passes.groupby(by, sort=True)[["recall", "precision", "f1"]].mean().reset_index()
    table = score_table(e.windows, by).merge(metres, on=by).drop(columns=["rate_low", "rate_high", "windows"])
    table = table.sort_values("case", key=lambda c: c.map(order.index), kind="stable")
    return f"{_CASES}\n\n{markdown(table)}"


def _unit(e: Evaluation) -> str:
    """Days on which nobody answers: calls, bounds, and why truly missed windows are unknown."""
    by = ["kind", "mode", "interval_s", "noise_m"]
    table = score_table(e.windows, by).drop(columns=["windows"])
    reasons = reason_table(e.windows, e.plain, ["kind", "interval_s"])
    return f"{_UNIT}\n\n{markdown(table)}\n\n{_UNIT_REASONS}\n\n{markdown(reasons)}"


def _demo(windows: pd.DataFrame) -> str:
    """The sample county against what its generator knows."""
    return f"{_DEMO}\n\n{markdown(score_table(windows, ['kind']))}"


def _community(windows: pd.DataFrame) -> str:
    """Calls of community windows, per rule, interval and noise."""
    head = "## 村社巡查 | Community cadence"
    if not len(windows):
        return f"{head}\n\n（此路网没有全科网格 | this network has no community grids）"
    kept = [
        "windows", "precision_covered", "recall_covered", "precision_missed", "recall_missed", "unknown_share", "rate_true", "rate_error",
    ]  # fmt: skip
    by = ["rule_id", "interval_s", "noise_m"]
    return f"{head}\n\n{_COMMUNITY}\n\n{markdown(score_table(windows, by)[[*by, *kept]])}"


def markdown(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> str:
    """A table in Markdown; shares with three decimals."""
    shown = frame if columns is None else frame[list(columns)]
    whole = [c for c in ("interval_s", "noise_m") if c in shown.columns]
    shown = shown.assign(**{c: shown[c].map("{:g}".format) for c in whole})
    head = [_HEAD.get(str(c), str(c)) for c in shown.columns]
    rows = [" | ".join(_cell(v) for v in r) for r in shown.itertuples(index=False)]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {r} |" for r in rows)])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "—" if np.isnan(value) else f"{value:g}" if value == int(value) and abs(value) > 1 else f"{value:.3f}"
    return str(value)


_DENSE = """间隔 1 s 只算两种噪声。With a fix a second two noises only."""

_REASONS = """## 真实漏巡的时段为何未知 | Why truly missed windows are unknown

真实漏巡的时段，各按结果所占的比例。失联：责任人在岗失联的时间足够一次全面巡查，按规则即未知。存疑：按规则是漏巡，但数据质量不足以排除已巡，
校准把它转为未知；部分：已巡一部分，离要求不远的最难分辨。
Of the windows that truly were missed, the share of each result. *Silent*: those who answer were unheard on duty for so long that a full
patrol could have fitted; unknown by the rules. *Doubted*: missed by the rules, but the data cannot exclude that it was covered, so that
calibration makes it unknown; *partial*: a part was covered, and what is close to the requirement is hardest to tell."""

_GOOD = f"""数据好时（间隔至多 {GOOD_S:g} s、噪声至多 {GOOD_M:g} m），按规则：
With good data (fixes at most {GOOD_S:g} s apart, at most {GOOD_M:g} m of noise), by rule:"""

_NETWORKS = """## 其他路网 | On other networks

同样的模拟与核查，校准不变（仍是示例县拟合的），种子 901；大路网只巡查最靠中心的一部分（`--km`），定位仍与全部道路匹配。
The same simulation and audit with the same calibration (fitted on the sample county), seed 901; of a large network only the part next
to its middle is patrolled (`--km`), while fixes are matched to all of its streets."""
_CASES = """## 手机的种种情形 | What happens to phones

间隔 15 s、噪声 8 m，每次只变一项；同样的巡查。手机在抽屉：15% 的设备有 1-3 小时留在原处，人照常巡查。
一车两机：每人身上多一部手机，误差各自独立。城市峡谷：一半路段漂移 30 m。
Fixes every 15 s, 8 m of noise, one thing changed at a time, the same patrols. *In a drawer*: 15 % of the phones lie still for one to
three hours while their bearers go on. *Two phones each*: a second phone on every bearer, with errors of its own. *Canyons*: drift of
30 m on half of the streets.

手机留在抽屉时，定位说人站着不动：静置够久的设备不作人未到过的依据，其时段未知（`motionless`）；静置前已走够全部路段所需时间的，仍判漏巡。
A phone in a drawer tells of somebody who stood still. A device that lies still for long is no evidence of absence: its windows are unknown
(`motionless`), unless it was seen moving in the window for as long as its bearer's whole beat takes."""

_UNIT = """## 无人负责时 | Where nobody answers

同样的巡查，两种名册：一是无人被指定（队员与设备都在名册里），二是没有名册、未登记设备计入。漏没漏，按全体有权在岗人员（设备）的定位判断；
其中任何人在岗失联而可能到过，即为未知，所以判得出漏巡的很少。上下限（按时段）应包含真实率。
The same patrols with two rosters: *nobody named* (people and devices are in the roster), and *no roster, devices count*. Whether a
window was missed is judged by everybody entitled on duty; where any of them was silent and may have come it is unknown, so few can be
called missed. The bounds (by windows) must hold the true rate: error 0."""

_UNIT_REASONS = """真实漏巡的时段：为何未知。Windows truly missed, and why they are unknown:"""

_DEMO = """## 示例县，与生成器的真值比对 | The sample county against its generator's truth

不是上面的模拟日，而是示例县自己的文件：如实，去掉全部责任分工，去掉整个名册（未登记设备计入）。
照办公室的做法入库、核查，再与 `truth/` 比对。
Not the simulated days above but the sample county's own files: as they are, without any responsibilities, and without the roster
(unassigned devices count); loaded and audited as an office does, then compared with `truth/`."""

_COMMUNITY = """一周，每个全科网格一名网格员步行，只凭定位（不用打卡）。真值由同一规则从真实经过判定。
A week, one grid member on foot for each community grid, judged by positions alone (no check-ins). Truth by the same rules from true
passes."""

_LIMITS = """## 局限 | Limits

- 真值来自模拟，误差模型虽按真实接收机设定，但不是本县的接收机；到手真实对照数据后应重做。
  Truth is simulated; its errors are like those of real receivers but not of this county's. Do it again when surveyed truth is at hand.
- 路网假定无误：路网缺边或错位引起的错误不在内。The network is taken as right: missing or shifted roads are not in these figures.
- 噪声 30 m 而间隔很密（5 s）时，匹配的路线会拐进旁边的街，行进看似过快：误判漏巡多在这里，校准使其大半转为未知。
  With fixes 5 s apart and 30 m of noise matched routes stray into side streets and seem too fast: most false *missed* arise there;
  calibration turns most of them into *unknown*.
- 机动车间隔 120 秒以上：两点之间可走完整段，能判漏巡的很少，其余为未知。
  Vehicles with fixes two minutes apart pass whole sections between two of them: few windows can be called *missed*, the rest is *unknown*.
- 村社巡查未做校准。Community windows are not calibrated."""
