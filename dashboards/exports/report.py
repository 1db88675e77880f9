"""The PDF report that a county office hands upward: findings, tables, maps, method, standard, hashes of the inputs."""

# ruff: noqa: E501 (rows of tables stand on a line)

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pandas as pd
import shapely
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.units import mm
from reportlab.platypus import (
    CondPageBreak,
    KeepTogether,
    PageBreak,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from dashboards.cells import bounds as rate_bounds
from dashboards.cells import percent, rounds_words
from dashboards.exports.report_method import inputs_chapter, method_chapter, standard_chapter, standard_words
from dashboards.exports.report_parts import (
    BODY,
    HEIGHT,
    INK,
    MARGIN,
    REGULAR,
    SOFT,
    WIDTH,
    Heading,
    RateBar,
    Swatch,
    VectorMap,
    data_table,
    numbered,
    register_fonts,
    style,
    text,
)
from dashboards.sentences import missing_words
from dashboards.tally import NOWHERE, VIEW_OF, base_of, tally
from gis.rates import excused_millimetres
from layers.symbology import LAYERS, outcome_color, word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dashboards.tally import Kind
    from dashboards.views import View
    from gis.standard import Standard
    from layers.standard_editions import Applied

WORST = 30
LONGEST = 40
NUMBERS = ("subjects", "windows", "covered", "missed", "unknown", "excused")


@dataclass(frozen=True, slots=True)
class Report:
    """What every chapter needs."""

    views: Mapping[str, View]
    summaries: Sequence[Mapping[str, Any]]
    applied: Applied
    lang: str
    city: str
    time_zone: str
    bases: Mapping[Kind, pd.DataFrame]
    confirmed: tuple[str, ...] = ()

    @property
    def standard(self) -> Standard:
        """The standard that was applied."""
        return self.applied.standard

    def t(self, zh: str, en: str) -> str:
        """One of two texts."""
        return zh if self.lang == "zh" else en

    @property
    def days(self) -> str:
        """The day, or the first and the last."""
        first, last = self.summaries[0]["day"], self.summaries[-1]["day"]
        return str(first) if first == last else self.t(f"{first} 至 {last}", f"{first} to {last}")

    @property
    def weighted(self) -> str:
        """By what rates are weighted."""
        by_km = self.standard.measure.weight.value == "km"
        return self.t(f"按{'公里' if by_km else '次数'}加权", f"weighted by {'kilometres' if by_km else 'counts'}")


def write_report(
    views: Mapping[str, View],
    summaries: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    applied: Applied,
    confirmed: Sequence[str] = (),
    lang: str,
    city: str,
    time_zone: str,
) -> Path:
    """Write the report of one or several days; the same run gives the same bytes.

    Args:
        views: views by name, of several days one after the other.
        summaries: as in summary.json, one a day.
        path: the PDF.
        applied: the standard that was applied, with its clauses and sentences; of several days, that of the last.
        confirmed: who confirmed the runs in their names; empty: nobody.
        lang: zh or en (the policy's sentences stay Chinese).
        city: name for the cover.
        time_zone: of the times shown.

    Returns:
        The path.

    Raises:
        SettingsError: the fonts have not been built.
    """
    register_fonts()
    bases = {kind: base_of(kind, views[name].frame) for kind, name in VIEW_OF.items()}
    report = Report(views, summaries, applied, lang, city, time_zone, bases, tuple(confirmed))
    story = [
        *_cover(report), PageBreak(), *_findings(report), *_rules(report), PageBreak(), *_places(report), PageBreak(), *_maps(report),
        PageBreak(), *_worst(report), *_longest(report), PageBreak(), *method_chapter(report), *standard_chapter(report),
        *inputs_chapter(report),
    ]  # fmt: skip
    title = report.t(f"{city}巡查覆盖核查报告", f"{city}: patrol coverage audit")
    run = str(summaries[-1]["run_id"])[:12]
    body = io.BytesIO()
    document = SimpleDocTemplate(
        body, pagesize=(WIDTH, HEIGHT), leftMargin=MARGIN, rightMargin=MARGIN, topMargin=16 * mm, bottomMargin=18 * mm, title=title,
        author=city, subject=report.days, keywords=f"run {run}", creator="xuncha", invariant=1, lang="zh-CN" if lang == "zh" else "en",
    )  # fmt: skip
    foot = f"{title} · {report.days} · {report.t('运行', 'run')} {run}"
    words = report.t("第 {page} 页，共 {pages} 页", "page {page} of {pages}")
    document.build(story, canvasmaker=numbered(foot, words))
    path.write_bytes(body.getvalue())
    return path


def bounds(row: Mapping[Any, Any]) -> str:
    """Both bounds of a row's rate."""
    return rate_bounds(row["rate_low"], row["rate_high"])


def _cover(report: Report) -> list[Any]:
    t, summary = report.t, report.summaries[-1]
    overall = tally(report.bases["roads"], None, report.standard)
    facts = [
        (t("核查日期", "Days audited"), report.days),
        (t("执行标准", "Standard"), t(report.standard.zh, report.standard.en)),
        (t("标准版本", "Version"), standard_words(report)),
        (t("运行编号", "Run"), summary["run_id"]),
        (t("程序版本", "Code"), summary["code_version"]),
    ]
    rows = [[text(k, style(10, color=SOFT)), text(str(v), style(10))] for k, v in facts]
    look = TableStyle(
        [
            ("FONTNAME", (0, 0), (-1, -1), REGULAR),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#d5dde4")),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
    )
    parts: list[Any] = [
        Spacer(1, 42 * mm),
        text(report.city, style(15, color=SOFT)),
        Spacer(1, 3 * mm),
        text(t("城市管理巡查覆盖核查报告", "Patrol coverage audit report"), style(27, bold=True, leading=38)),
        Spacer(1, 4 * mm),
        text(report.days, style(15)),
        Spacer(1, 16 * mm),
    ]
    if len(overall):
        parts += [_headline(report, overall.iloc[0].to_dict()), Spacer(1, 14 * mm)]
    note = t(
        "未知时段（设备失联等，数据不足以判定）不作猜测：达标率下限按未巡计，上限按已巡计。",
        "Windows that the data cannot decide are not guessed: the lower bound counts them as not covered, the upper as covered.",
    )
    parts += [
        Table(rows, colWidths=[34 * mm, BODY - 34 * mm], style=look),
        Spacer(1, 12 * mm),
        text(note, style(9, color=SOFT)),
    ]
    return [*parts, *_confirmation(report)]


def _confirmation(report: Report) -> list[Any]:
    """Whether a named person has confirmed the figures, where the standard asks for it (`measure.confirmation`)."""
    t = report.t
    if not report.standard.measure.confirmation.value:
        return []
    rule = t(
        "本报告的数字须经署名确认后方可用于考核。",
        "Figures inform appraisal only after a named person has confirmed them.",
    )
    names = t("、", ", ").join(report.confirmed)
    state = (
        t(f"道路巡查的数字已由 {names} 确认", f"Road patrol figures confirmed by {names}")
        if names
        else t("未经确认", "Not confirmed")
    )
    sign = t(
        "确认人：____________________    日期：____________________",
        "Confirmed by: ____________________    Date: ____________________",
    )
    signed = [] if names else [Spacer(1, 8 * mm), text(sign, style(10.5))]
    return [text(rule, style(9, color=SOFT)), Spacer(1, 4 * mm), text(state, style(11, bold=True)), *signed]


def _headline(report: Report, row: Mapping[Any, Any]) -> Table:
    t = report.t
    tiles = [(t("道路巡查达标率", "Road patrol rate"), bounds(row))] + [
        (word(k, report.lang), f"{int(row[k]):,}") for k in ("covered", "missed", "unknown", "excused")
    ]
    colors = [INK, *(outcome_color(k) for k in ("covered", "missed", "unknown", "excused"))]
    cells = [[text(k, style(9, color=SOFT)) for k, _ in tiles],
             [text(v, style(17 if i == 0 else 16, bold=True, leading=26)) for i, (_, v) in enumerate(tiles)]]  # fmt: skip
    look: list[Any] = [("LINEABOVE", (i, 0), (i, 0), 3, HexColor(c)) for i, c in enumerate(colors)]
    look += [
        ("FONTNAME", (0, 0), (-1, -1), REGULAR),
        ("LEFTPADDING", (0, 0), (-1, -1), 6),
        ("BACKGROUND", (0, 0), (-1, -1), HexColor("#f4f7f9")),
    ]
    return Table(cells, colWidths=[BODY * w for w in (0.36, 0.16, 0.16, 0.16, 0.16)], style=TableStyle(look))


def _sentences(report: Report) -> list[str]:
    """The findings in words, each from the figures of the tables that follow."""
    t, out = report.t, []
    roads = report.bases["roads"]
    if len(roads):
        row = tally(roads, None, report.standard).iloc[0].to_dict()
        own = tally(roads, None, report.standard, charged="responsible")
        out.append(
            t(
                f"应巡 {row['windows']:,} 次（{row['km_windows']:,.1f} 公里·次），已巡 {row['covered']:,}，漏巡 {row['missed']:,}，未知 "
                f"{row['unknown']:,}，免巡 {row['excused']:,}；达标率 {bounds(row)}（{report.weighted}）。",
                f"{row['windows']:,} windows were due ({row['km_windows']:,.1f} km-windows): {row['covered']:,} covered, "
                f"{row['missed']:,} missed, {row['unknown']:,} unknown, {row['excused']:,} excused; rate {bounds(row)} ({report.weighted}).",
            )
        )
        if len(own):
            mine = bounds(own.iloc[0].to_dict())
            out.append(
                t(f"其中由责任队员本人完成的达标率为 {mine}。", f"By the responsible members themselves: {mine}.")
            )
        out += _extremes(report, roads)
    rounds = report.bases["rounds"]
    if len(rounds):
        short = int((rounds["outcome"] == "missed").sum())
        out.append(t(f"{len(rounds)} 个工作网格·日中，{short} 个未达到要求的全覆盖轮次。",
                     f"Of {len(rounds)} work-grid days, {short} fell short of the required full-coverage rounds."))  # fmt: skip
    density = report.views["density"].frame
    grids = density[density["level"] == "work_grid"] if len(density) else density
    if len(grids):
        out.append(_density_sentence(report, grids))
    return out


def _density_sentence(report: Report, grids: pd.DataFrame) -> str:
    t, few = report.t, grids[grids["verdict"] == "short"]
    undecided = int((grids["verdict"] == "undecided").sum())
    if undecided == len(grids):
        return t(f"信息采集人员：{undecided} 个工作网格·日都无法判定（缺区位或名册）。",
                 f"Collectors: none of {undecided} work-grid days can be decided (without zone or roster).")  # fmt: skip
    rest = t(f"；另有 {undecided} 个无法判定", f"; {undecided} cannot be decided") if undecided else ""
    return t(f"信息采集人员：{len(grids)} 个工作网格·日中 {len(few)} 个配置不足，缺口合计 {few['gap'].sum():.1f} 人{rest}。",
             f"Collectors: {len(few)} of {len(grids)} work-grid days are short, by {few['gap'].sum():.1f} persons in all{rest}.")  # fmt: skip


def _extremes(report: Report, roads: pd.DataFrame) -> list[str]:
    towns = tally(roads[roads["town_id"] != ""], "town_id", report.standard)
    if len(towns) < 2:  # noqa: PLR2004 (nothing to compare)
        return []
    names = roads.drop_duplicates("town_id").set_index("town_id")["town_name"]
    ranked = towns.sort_values(["rate_low", "key"])
    low, high = ranked.iloc[0].to_dict(), ranked.iloc[-1].to_dict()
    zh = f"镇街中下限最低的是{names[low['key']]}（{bounds(low)}），最高的是{names[high['key']]}（{bounds(high)}）。"
    en = f"By lower bound, the lowest town is {names[low['key']]} ({bounds(low)}), the highest {names[high['key']]} ({bounds(high)})."
    return [report.t(zh, en)]


def _findings(report: Report) -> list[Any]:
    t = report.t
    look = style(10.5, leading=18, leftIndent=14, bulletIndent=0)
    parts: list[Any] = [Heading(t("一、主要发现", "1 Findings")), Spacer(1, 2 * mm)]
    parts += [Paragraph(escape(s), look, bulletText="•") for s in _sentences(report)]  # names are text
    notes = report.views["findings"].frame
    if len(notes):
        rows = [[f"{int(n['count']):,}", n["zh"] if report.lang == "zh" else n["en"], n["code"]] for n in notes.to_dict("records")]  # fmt: skip
        heads = [t("数量", "Count"), t("数据与核查说明", "Notes on data and audit"), t("代码", "Code")]
        parts += [Spacer(1, 3 * mm), data_table(heads, rows, (1, 6, 2.4), right=(0,))]
    return [*parts, Spacer(1, 5 * mm)]


def _count_heads(report: Report, first: str) -> list[str]:
    t = report.t
    return [first, t("对象", "Subjects"), t("应巡", "Windows"), *(word(o, report.lang) for o in ("covered", "missed", "unknown", "excused")),
            t("达标率下限–上限", "Rate, low – high"), "", t("责任人下限", "Responsible, low")]  # fmt: skip


COUNT_WIDTHS = (2.9, 0.9, 0.95, 0.95, 0.95, 1.5, 0.9, 2.0, 1.3, 1.3)


def count_table(report: Report, kind: Kind, by: str, names: Mapping[str, str], first: str) -> Table:
    """Counts and bounds by a column, worst lower bound first."""
    base = report.bases[kind]
    table = tally(base, by, report.standard).sort_values(["rate_low", "key"], kind="stable", na_position="last")
    own = tally(base, by, report.standard, charged="responsible")
    mine = own.set_index("key")["rate_low"].to_dict() if len(own) else {}
    rows = []
    for row in table.to_dict("records"):
        key = row["key"]
        name = report.t("未划分", "Not assigned") if key == NOWHERE else names.get(key) or key
        bar = RateBar(float(row["rate_low"]), float(row["rate_high"]), width=BODY * 1.3 / sum(COUNT_WIDTHS) - 9)
        rows.append([name, *(f"{int(row[n]):,}" for n in NUMBERS), bounds(row), bar, percent(mine.get(key))])
    return data_table(_count_heads(report, first), rows, COUNT_WIDTHS, right=(1, 2, 3, 4, 5, 6, 7, 9))


def _names(report: Report, kind: Kind, key: str, name: str) -> dict[str, str]:
    rows = report.bases[kind]
    named = rows[rows[name] != ""].drop_duplicates(key) if len(rows) else rows
    return dict(zip(named[key].astype(str), named[name].astype(str), strict=True))


def _section(report: Report, zh: str, en: str, *parts: Any) -> list[Any]:
    return [Heading(report.t(zh, en), level=1), *parts, Spacer(1, 4 * mm)]


def _rules(report: Report) -> list[Any]:
    t = report.t
    rules = {k: t(r.zh, r.en) for k, r in report.standard.rules.items()}
    out: list[Any] = [Heading(t("二、按规则与等级", "2 By rule and class"))]
    chapters: tuple[tuple[Kind, str, str], ...] = (
        ("roads", "道路巡查", "Road patrols"),
        ("rounds", "工作网格全覆盖轮次", "Full-coverage rounds of work grids"),
        ("community", "全科网格巡查", "Community patrols"),
    )
    for kind, zh, en in chapters:
        if len(report.bases[kind]):
            out += _section(report, zh, en, count_table(report, kind, "rule_id", rules, t("规则", "Rule")))
    if len(report.bases["roads"]):
        classes = {k: word(k, report.lang) for k in ("main", "secondary", "branch")}
        table = count_table(report, "roads", "policy_class", classes, t("道路等级", "Road class"))
        out += _section(report, "按道路等级", "By road class", table)
    return out


def _places(report: Report) -> list[Any]:
    t = report.t
    out: list[Any] = [Heading(t("三、按镇街、中队与网格", "3 By town, squad and grid"))]
    if len(report.bases["roads"]):
        towns = _names(report, "roads", "town_id", "town_name")
        squads = _names(report, "roads", "unit_id", "unit_name")
        out += _section(
            report,
            "道路巡查 · 镇街",
            "Road patrols by town",
            count_table(report, "roads", "town_id", towns, t("镇街", "Town")),
        )
        out += _section(report, "道路巡查 · 中队", "Road patrols by squad", count_table(report, "roads", "unit_id", squads, t("中队", "Squad")))  # fmt: skip
    if len(report.bases["community"]):
        names = _names(report, "community", "town_id", "town_name")
        out += _section(report, "全科网格巡查 · 镇街", "Community patrols by town", count_table(report, "community", "town_id", names, t("镇街", "Town")))  # fmt: skip
    grids = report.views["grids"].frame
    if len(grids):
        out += _section(report, "工作网格", "Work grids", _grid_table(report, pd.DataFrame(grids)))
    return out


def _grid_table(report: Report, grids: pd.DataFrame) -> Table | Paragraph:
    t = report.t
    judged = grids[grids["rule_id"].notna()].assign(short=lambda f: f["required_rounds"] - f["completed_rounds"])
    if judged.empty:
        return Paragraph(t(f"{len(grids)} 个工作网格都没有轮次要求（没有区位），不作判定。",
                           f"None of {len(grids)} work grids has a required number of rounds (no zone): not judged."), style(9.5))  # fmt: skip
    judged = judged.sort_values(["short", "grid_id"], ascending=[False, True], kind="stable")
    rows, marks = [], []
    for i, g in enumerate(judged.to_dict("records")):
        name = g.get("grid_name") if isinstance(g.get("grid_name"), str) and g["grid_name"] else g["grid_id"]
        rows.append([name, word(g["level"], report.lang) if isinstance(g["level"], str) else "—",
                     rounds_words(g["completed_rounds"], g.get("possible_rounds"), g["required_rounds"]), f"{g['patrollable_mm'] / 1e6:,.1f}",
                     f"{g['never_mm'] / 1e6:,.2f}", word(g["outcome"], report.lang), missing_words(g.get("missing"), report.lang)])  # fmt: skip
        marks.append((i, 5, outcome_color(str(g["outcome"]))))
    heads = [t("工作网格", "Work grid"), t("区位", "Zone"), t("完成–最多可能 / 应完成轮次", "Rounds done – possible / required"),
             t("可巡公里", "Patrollable km"), t("全天未到公里", "Never visited, km"), t("结果", "Outcome"), t("缺什么", "What was missing")]  # fmt: skip
    return data_table(heads, rows, (2.2, 1.1, 1.4, 1, 1.1, 1.1, 4.2), right=(2, 3, 4), marks=marks)


def legend_rows(report: Report, layer_id: str, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The legend's classes that occur, with number and kilometres: what the map shows, in figures."""
    layer = LAYERS[layer_id]
    classes = layer.classify(frame[layer.column])
    legend = layer.legend(frame[layer.column])
    rows: list[dict[str, Any]] = [
        {str(k): v for k, v in r.items()} for r in legend[legend["count"] > 0].to_dict("records")
    ]
    for row in rows:
        row["label"] = row[report.lang]
        inside = classes == row["key"]
        row["km"] = float(frame["length_mm"].to_numpy()[inside].sum() / 1e6) if "length_mm" in frame else None
    return rows


def _map(
    report: Report, layer_id: str, view: str, height: float, backdrop: Any = None, *, near: bool = False
) -> list[Any]:
    t, layer, frame = report.t, LAYERS[layer_id], report.views[view].frame
    days = frame["day"].astype(str)
    frame = frame[(days == days.max()) & frame["geometry"].notna()] if len(frame) else frame
    if not len(frame):
        return []
    around = shapely.total_bounds(backdrop) if near else None
    if around is not None:
        here = shapely.intersects(shapely.box(*around), shapely.point_on_surface(frame["geometry"].to_numpy()))
        frame = frame[here]
    if not len(frame):
        return []
    rows = legend_rows(report, layer_id, pd.DataFrame(frame))
    with_km = rows[0]["km"] is not None
    heads = ["", t("图例", "Legend"), t("数量", "Count"), *([t("公里", "km")] if with_km else [])]
    cells = [[Swatch(r["color"]), r["label"], f"{r['count']:,}", *([f"{r['km']:,.1f}"] if with_km else [])] for r in rows]  # fmt: skip
    chart = VectorMap(
        layer,
        frame["geometry"].to_numpy(),
        frame[layer.column],
        height=height,
        backdrop=backdrop,
        bounds=around if near else None,
    )
    part = t("（工作网格范围）", " (area of the work grids)") if near else ""
    title = f"{layer.title(report.lang)}{part} · {frame['day'].astype(str).iloc[0]}"
    legend = data_table(heads, cells, (0.6, 3, 1, *([1] if with_km else [])), right=(2, 3) if with_km else (2,))
    return [KeepTogether([Heading(title, level=1), chart, Spacer(1, 2 * mm), legend, Spacer(1, 4 * mm)])]


def _maps(report: Report) -> list[Any]:
    grids = report.views["grids"].frame
    backdrop = grids["geometry"].dropna().to_numpy() if len(grids) and "geometry" in grids else None
    return [
        Heading(report.t("四、地图", "4 Maps")),
        *_map(report, "segment_outcome", "segments", 168 * mm, backdrop),
        *(
            _map(report, "segment_outcome", "segments", 168 * mm, backdrop, near=True)
            if backdrop is not None and len(backdrop)
            else []
        ),
        *_map(report, "grid_outcome", "grids", 120 * mm),
    ]


def _worst(report: Report) -> list[Any]:
    t, base = report.t, report.bases["roads"]
    if not len(base):
        return []
    table = tally(base, "section_id", report.standard)
    table = table[table["missed"] + table["unknown"] > 0]
    table = table.sort_values(
        ["rate_low", "rate_high", "km_missed", "key"], ascending=[True, True, False, True], kind="stable"
    ).head(WORST)
    about = base.drop_duplicates("section_id").set_index("section_id")
    who = base[base["persons"] != ""].groupby("section_id")["persons"].first()
    rows = []
    for i, row in enumerate(table.to_dict("records"), start=1):
        place = about.loc[row["key"]]
        filled = (
            t("（由网格代填）", " (from the work grid)")
            if place["named_by"] == "from_grid" and row["key"] in who.index
            else ""
        )
        rows.append([str(i), place["section_name"] or row["key"], word(place["policy_class"], report.lang), place["town_name"],
                     who.get(row["key"], "—") + filled, f"{row['windows']}", f"{row['missed']}", f"{row['unknown']}", bounds(row)])  # fmt: skip
    heads = ["#", t("责任路段", "Section"), t("等级", "Class"), t("镇街", "Town"), t("责任人", "Responsible"), t("应巡", "Windows"),
             word("missed", report.lang), word("unknown", report.lang), t("达标率", "Rate")]  # fmt: skip
    note = t(
        f"按达标率下限、再按上限由低到高排列，最多列 {WORST} 个；全部路段见随附的工作簿与 CSV。",
        f"By the lower bound of the rate, then the upper, lowest first, at most {WORST}; all sections are in the workbook and the CSV.",
    )
    parts = [text(note, style(9, color=SOFT, alignment=TA_LEFT)), Spacer(1, 1.5 * mm)]
    widths = (0.5, 3.8, 1.1, 1.4, 1.9, 0.8, 0.8, 0.8, 1.9)
    return [
        Heading(t("五、薄弱路段", "5 Weakest sections")),
        *parts,
        data_table(heads, rows, widths, right=(0, 5, 6, 7, 8)),
        Spacer(1, 5 * mm),
    ]


def _longest(report: Report) -> list[Any]:
    t, base = report.t, report.bases["roads"]
    missed = base[base["outcome"] == "missed"]
    if not len(missed):
        return []
    missed = missed.assign(
        lacking=(
            (missed["length_mm"] - excused_millimetres(missed)) * missed["required_share"] - missed["covered_mm"]
        ).clip(lower=0)
    )
    order = ["lacking", "section_id", "window_ix"]
    missed = missed.sort_values(order, ascending=[False, True, True], kind="stable").head(LONGEST)
    starts = pd.to_datetime(missed["starts"], utc=True).dt.tz_convert(report.time_zone)
    ends = pd.to_datetime(missed["ends"], utc=True).dt.tz_convert(report.time_zone)
    rows = [
        [r["section_name"] or r["section_id"], f"{a:%m-%d %H:%M}–{b:%H:%M}", f"{r['lacking'] / 1e6:,.2f}",
         r["missing"] if isinstance(r["missing"], str) else "—"]
        for r, a, b in zip(missed.to_dict("records"), starts, ends, strict=True)
    ]  # fmt: skip
    heads = [
        t("责任路段", "Section"),
        t("时段", "Window"),
        t("还缺公里", "Lacking, km"),
        t("缺什么", "What was missing"),
    ]
    note = t(f"按所缺长度由长到短，最多列 {LONGEST} 次。", f"By the length lacking, longest first, at most {LONGEST}.")
    title = Heading(t("漏巡时段", "Windows missed"), level=1)
    return [CondPageBreak(60 * mm), title, text(note, style(9, color=SOFT)), Spacer(1, 1.5 * mm), data_table(heads, rows, (3.6, 1.9, 1.1, 4.4), right=(2,))]  # fmt: skip


__all__ = ["REGULAR", "Report", "write_report"]
