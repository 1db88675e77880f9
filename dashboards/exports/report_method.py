"""The report's last chapters: the method in short, the standard with its clauses and sentences, what the figures rest on."""

# ruff: noqa: E501 (words stand on a line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, Paragraph, Spacer

from dashboards.exports.report_parts import SOFT, Heading, data_table, style, text

if TYPE_CHECKING:
    from dashboards.exports.report import Report


def _settings(report: Report) -> list[tuple[str, str]]:
    """The figures of the method, read from the standard."""
    measure, t = report.standard.measure, report.t
    return [
        (
            t("定位与匹配", "Positions and matching"),
            t(
                "定位按设备排序去重，不删除；匹配到路网后得到“通过记录”（路段、自何处至何处、进入与离开时间、设备、把握程度、看见或推断）。",
                "Positions are sorted by device and flagged, never deleted; matched to the road network they give passes (segment, from, to, "
                "enter, leave, device, confidence, seen or inferred).",
            ),
        ),
        (
            t("一次全面巡查", "A full patrol"),
            t(
                f"在应巡时段内，有权人员以巡查速度经过的不同路段长度达到 {measure.full_patrol_share.value:.0%}；车速过快的通过不计。",
                f"Within the window, entitled persons on duty pass {measure.full_patrol_share.value:.0%} of the distinct length at patrol "
                "speed; driving by too fast does not count.",
            ),
        ),
        (
            t("四种结果", "Four outcomes"),
            t(
                "已巡；漏巡；未知（责任人在岗而设备失联，且失联时间足够完成一次巡查，或数据不足以判定）；免巡（事先登记并批准的例外）。",
                "Covered; missed; unknown (those on duty were silent for as long as a patrol needs, or the data cannot decide); excused "
                "(registered and approved exceptions).",
            ),
        ),
        (
            t("达标率", "Rate"),
            t(
                f"{report.weighted}。下限 = 已巡 ÷ （应巡 − 免巡）；上限 =（已巡 + 未知） ÷ （应巡 − 免巡）。排名用下限。",
                f"{report.weighted.capitalize()}. Lower = covered / (windows - excused); upper = (covered + unknown) / (windows - excused). Ranks use "
                "the lower bound.",
            ),
        ),
        (
            t("网格轮次", "Grid rounds"),
            t(
                f"一轮 = 网格内可巡道路有 {measure.round_share.value:.0%} 的不同长度被到过；完成后重新累计。",
                f"A round: {measure.round_share.value:.0%} of the distinct patrollable length in the grid has been visited; then it begins anew.",
            ),
        ),
        (
            t("责任人口径", "Responsible person"),
            t(
                "同一时段另按责任队员本人的巡查再判一次，列于“责任人”栏。",
                "Each window is judged once more by the patrols of the responsible member alone: the columns of the responsible person.",
            ),
        ),
        (
            t("隐私", "Privacy"),
            t(
                "本报告不含个人轨迹；下班时段的定位只计数，从不显示。",
                "This report holds no individual track; positions off duty are counted, never shown.",
            ),
        ),
    ]


def method_chapter(report: Report) -> list[Any]:
    """How the figures come about."""
    parts: list[Any] = [Heading(report.t("六、方法", "6 Method"))]
    for name, words in _settings(report):
        parts += [
            KeepTogether([text(name, style(10, bold=True)), text(words, style(9.5, leading=15)), Spacer(1, 2.2 * mm)])
        ]
    return [*parts, Spacer(1, 3 * mm)]


def standard_words(report: Report) -> str:
    """Id, version and stored edition of the standard of each day; several where they differ."""
    t = report.t
    found = dict.fromkeys(
        (s["standard"]["id"], s["standard"]["version"], s["standard"]["edition"]) for s in report.summaries
    )
    kept = t("（存档 {e}）", " (stored as {e})")
    bare = t("（当时未存档，按现行标准文件列示）", " (not stored then: shown by the present file)")
    named = [f"{i} {v}{kept.format(e=e[:12]) if e else bare}" for i, v, e in found]
    more = (
        t("；各日不同，合计按最后一日的标准", "; they differ by day, sums go by that of the last day")
        if len(found) > 1
        else ""
    )
    return t("、", ", ").join(named) + more


def standard_chapter(report: Report) -> list[Any]:
    """Every rule with its clause and sentence, and what had to be assumed."""
    t, standard = report.t, report.standard
    parts: list[Any] = [Heading(t("七、标准与条款", "7 The standard and its clauses"))]
    issued = f",{standard.issued}" if standard.issued else ""
    parts += [text(f"{t(standard.zh, standard.en)}({standard.issuer}{issued};{standard_words(report)})", style(9.5, color=SOFT)),
              Spacer(1, 2 * mm)]  # fmt: skip
    rows = [[rule.clause, t(rule.zh, rule.en), f"“{rule.quote}”", rule_id] for rule_id, rule in standard.rules.items()]
    heads = [t("条款", "Clause"), t("规则", "Rule"), t("原文", "Sentence (verbatim)"), t("编号", "Id")]
    parts += [data_table(heads, rows, (0.9, 3, 5, 1.9)), Spacer(1, 5 * mm)]
    assumed = [
        [key, t(str(getattr(p, "reason_zh", "")), str(getattr(p, "reason_en", "")))]
        for key, p in standard.assumptions()
    ]
    if assumed:
        title = Heading(t("政策未写明、按假设执行的设定", "Settings that the policy leaves open"), level=1)
        parts += [
            title,
            data_table([t("设定", "Setting"), t("假设的理由", "Reason")], assumed, (2.6, 6)),
            Spacer(1, 5 * mm),
        ]
    return parts


def inputs_chapter(report: Report) -> list[Any]:
    """Run ids, inputs with their hashes, editions."""
    t = report.t
    parts: list[Any] = [Heading(t("八、数据来源与校验", "8 Inputs and their hashes"))]
    small = style(8)
    for summary in report.summaries:
        words = t(
            f"{summary['day']}：运行编号 {summary['run_id']}；程序版本 {summary['code_version']}",
            f"{summary['day']}: run {summary['run_id']}; code {summary['code_version']}",
        )
        parts += [text(words, style(8.6, leading=13)), Spacer(1, 1.5 * mm)]
    rows = [
        [str(i.get("name", "")), f"{i['rows']:,}" if "rows" in i else "—", Paragraph(str(i.get("sha256", "")), small)]
        for summary in report.summaries
        for i in summary["inputs"]
    ]
    heads = [t("输入", "Input"), t("行数", "Rows"), "SHA-256"]
    return [*parts, data_table(heads, rows, (2.6, 1, 6.4), right=(1,))] if rows else parts
