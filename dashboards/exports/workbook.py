"""The workbook that a manager prints: one sheet a level, headings in words, conditional colours as on the maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import xlsxwriter

from dashboards.exports.text import is_missing
from dashboards.views import View, in_words
from layers.symbology import OUTCOMES, VERDICTS, word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

# Sheets in the order of drilling down; the long tables of segments stay in the CSV and the GeoPackage.
SHEETS = (
    "summary", "classes", "zones", "towns", "squads", "roads", "sections", "persons", "unnamed", "unresolved", "missed", "grids",
    "rounds", "community", "density",
    "people", "devices", "hotspots", "case_areas", "zonal", "zonal_change", "clocks", "findings",
)  # fmt: skip
MOST_ROWS = 100_000  # a sheet beyond this is cut, and says so
SHARES = ("达标率", "占比", "比例", "进度", "匹配率", "把握", "Rate", "Share", "share", "rate", "Probability")
WIDEST = 46
# Counts of a rule on the cover, with the kilometres that its rates are weighted by.
_COUNTS = (
    ("对象数", "Subjects", "subjects"), ("应巡次数", "Windows", "windows"), ("已巡", "Covered", "covered"), ("漏巡", "Missed", "missed"),
    ("未知", "Unknown", "unknown"), ("免巡", "Excused", "excused"), ("应巡公里·次", "Km-windows", "km_windows"),
    ("已巡公里·次", "Km covered", "km_covered"), ("未知公里·次", "Km unknown", "km_unknown"), ("免巡公里·次", "Km excused", "km_excused"),
)  # fmt: skip


# Long tables of which a person prints only what calls for something; all rows are in the CSV.
PRINTED = {
    "hotspots": (("hotspot",), ("hot_99", "hot_95", "hot_90", "cold_90", "cold_95", "cold_99")),
    "clocks": (("outcome", "outcome_clause", "outcome_file"), ("late", "overdue", "impossible")),
}


def _printed(view: View) -> View:
    """The rows of a view that stand in the workbook."""
    if view.name not in PRINTED:
        return view
    columns, wanted = PRINTED[view.name]
    called = view.frame.reindex(columns=list(columns)).isin(wanted).any(axis=1)
    return View(view.name, view.zh, view.en, view.columns, view.frame[called])


def write_workbook(
    path: Path, views: Mapping[str, View], summary: Mapping[str, Any], *, lang: str, time_zone: str
) -> Path:
    """Write the workbook of a run.

    Args:
        path: where.
        views: views by name; those without rows get no sheet, but the cover names them.
        summary: as in summary.json.
        lang: zh or en.
        time_zone: of the times shown.

    Returns:
        The path.
    """
    # `strings_to_formulas` off: text is never run, whatever it begins with.
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": False,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        about = {"title": f"{summary['city']} {summary['day']}", "comments": f"run {summary['run_id']}"}
        book.set_properties(
            {**about, "created": pd.Timestamp(str(summary["day"])).to_pydatetime()}
        )  # the same bytes again
        formats = _formats(book)
        printed = [_printed(views[n]) for n in SHEETS if n in views]
        shown = [v for v in printed if len(v.frame)]
        empty = [v for v in printed if not len(v.frame)]
        _cover(book, formats, summary, shown, empty, lang=lang)
        for view in shown:
            _sheet(
                book,
                formats,
                view,
                lang=lang,
                time_zone=time_zone,
                footer=f"{summary['day']}  {summary['run_id'][:12]}",
            )
    return path


def write_table(
    path: Path, view: View, *, lang: str, time_zone: str, footer: str, about: Sequence[tuple[str, str]] = ()
) -> Path:
    """Write one view as a sheet that looks like those of a run, and what it is `about` on another; `footer` is printed below each page."""
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": False,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        formats = _formats(book)
        _sheet(book, formats, view, lang=lang, time_zone=time_zone, footer=footer)
        if about:
            sheet = book.add_worksheet("说明" if lang == "zh" else "About")
            sheet.set_column(0, 0, 26)
            sheet.set_column(1, 1, 60)
            for row, (label, value) in enumerate(about):
                sheet.write_string(row, 0, label, formats["bold"])
                sheet.write_string(row, 1, value, formats["text"])
            _print_set_up(sheet, footer=footer)
    return path


def _formats(book: Workbook) -> dict[str, Format]:
    base = {"font_name": "Microsoft YaHei", "font_size": 10, "valign": "vcenter"}
    head = {
        **base,
        "bold": True,
        "bg_color": "#1f3b57",
        "font_color": "#ffffff",
        "text_wrap": True,
        "border": 1,
        "align": "center",
    }
    formats = {
        "title": book.add_format({**base, "bold": True, "font_size": 20}),
        "text": book.add_format({**base, "text_wrap": False}),
        "wrap": book.add_format({**base, "text_wrap": True, "valign": "top"}),
        "bold": book.add_format({**base, "bold": True}),
        "head": book.add_format(head),
        "int": book.add_format({**base, "num_format": "#,##0"}),
        "float": book.add_format({**base, "num_format": "#,##0.00"}),
        "share": book.add_format({**base, "num_format": "0.0%"}),
        "time": book.add_format({**base, "num_format": "mm-dd hh:mm"}),
        "date": book.add_format({**base, "num_format": "yyyy-mm-dd"}),
    }
    for c in (*OUTCOMES, *VERDICTS):
        formats[f"tag:{c.key}"] = book.add_format(
            {"font_color": "#ffffff" if _dark(c.color) else "#10202f", "bg_color": c.color}
        )
    return formats


def _dark(color: str) -> bool:
    """Whether white reads better on it (relative luminance, WCAG 2.2)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]  # noqa: PLR2004 (sRGB)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.36  # noqa: PLR2004


def _cover(
    book: Workbook,
    formats: dict[str, Format],
    summary: Mapping[str, Any],
    shown: Sequence[View],
    empty: Sequence[View],
    *,
    lang: str,
) -> None:
    zh = lang == "zh"
    sheet = book.add_worksheet("封面" if zh else "Cover")
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 44, formats["text"])
    sheet.set_column(1, 2 + len(_COUNTS), 15, formats["text"])
    sheet.write_string(0, 0, f"{summary['city']} {'巡查覆盖核查' if zh else 'patrol coverage audit'}", formats["title"])
    standard = summary["standard"]
    facts = [
        ("核查日" if zh else "Day", summary["day"]),
        ("标准" if zh else "Standard", f"{standard['id']} {standard['version']}"),
        ("运行编号" if zh else "Run", summary["run_id"]),
        ("程序版本" if zh else "Code", summary["code_version"]),
    ]
    for row, (name, value) in enumerate(facts, start=2):
        sheet.write_string(row, 0, name, formats["bold"])
        sheet.write_string(row, 1, str(value), formats["text"])
    row = 7
    titles = (
        ("规则", *(zh for zh, _, _ in _COUNTS), "达标率下限", "达标率上限")
        if zh
        else ("Rule", *(en for _, en, _ in _COUNTS), "Rate, low", "Rate, high")
    )
    for column, title in enumerate(titles):
        sheet.write_string(row, column, title, formats["head"])
    for rule in summary["rules"]:
        row += 1
        sheet.write_string(row, 0, str(rule["name"] or rule["rule_id"]), formats["text"])
        for column, (_, _, key) in enumerate(_COUNTS, start=1):
            sheet.write_number(row, column, rule[key], formats["float" if key.startswith("km_") else "int"])
        for column, key in enumerate(("low", "high"), start=1 + len(_COUNTS)):
            if rule["rate"][key] is not None:
                sheet.write_number(row, column, rule["rate"][key], formats["share"])
    row = _contents(sheet, formats, row + 2, shown, empty, zh=zh)
    for item in summary["inputs"]:
        row += 1
        sheet.write_string(row, 0, str(item.get("name", "")), formats["text"])
        sheet.write_string(row, 1, str(item.get("sha256", "")), formats["text"])
    _print_set_up(sheet, footer=str(summary["day"]))


def _contents(
    sheet: Worksheet, formats: dict[str, Format], row: int, shown: Sequence[View], empty: Sequence[View], *, zh: bool
) -> int:
    lang = "zh" if zh else "en"
    sheet.write_string(row, 0, "目录" if zh else "Contents", formats["bold"])
    for view in shown:
        row += 1
        sheet.write_url(row, 0, f"internal:'{_sheet_name(view, lang)}'!A1", formats["text"], view.title(lang))
        sheet.write_number(row, 1, len(view.frame), formats["int"])
    if empty:
        row += 1
        words = "、".join(v.title(lang) for v in empty) if zh else ", ".join(v.title(lang) for v in empty)
        sheet.write_string(row, 0, f"{'没有内容' if zh else 'Nothing in'}: {words}", formats["text"])
    row += 2
    sheet.write_string(row, 0, "输入与校验（SHA-256）" if zh else "Inputs (SHA-256)", formats["bold"])
    return row


def _sheet_name(view: View, lang: str) -> str:
    """Excel allows 31 characters and no brackets, colon, asterisk, question mark or slash."""
    return "".join(" " if c in "[]:*?/\\" else c for c in view.title(lang))[:31]


def _sheet(book: Workbook, formats: dict[str, Format], view: View, *, lang: str, time_zone: str, footer: str) -> None:
    frame = in_words(view, lang=lang, time_zone=time_zone)
    cut = len(frame) > MOST_ROWS or view.name in PRINTED
    frame = frame.head(MOST_ROWS)
    sheet = book.add_worksheet(_sheet_name(view, lang))
    for column, heading in enumerate(frame.columns):
        sheet.write_string(0, column, str(heading), formats["head"])
        kind = _kind(frame[heading], str(heading))
        _write_column(sheet, formats, column, frame[heading], kind)
        sheet.set_column(column, column, _width(str(heading), frame[heading], kind))
        _color(sheet, formats, column, frame[heading], kind, lang)
    sheet.set_row(0, 32)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, len(frame), len(frame.columns) - 1)
    if cut:
        sheet.write_string(
            len(frame) + 1,
            0,
            f"只列需要处理的行（最多 {MOST_ROWS} 行），全部见 CSV"
            if lang == "zh"
            else f"only rows that call for something, {MOST_ROWS} at most; all are in the CSV",
        )
    _print_set_up(sheet, footer=footer)


def _kind(values: pd.Series, heading: str) -> str:
    if pd.api.types.is_datetime64_any_dtype(values):
        return "time"
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return "text"
    if any(s in heading for s in SHARES):
        return "share"
    return "int" if pd.api.types.is_integer_dtype(values) else "float"


def _write_column(sheet: Worksheet, formats: dict[str, Format], column: int, values: pd.Series, kind: str) -> None:
    look = formats[kind]
    for row, value in enumerate(values.tolist(), start=1):
        if is_missing(value):
            sheet.write_blank(row, column, None, look)
        elif kind == "time":
            sheet.write_datetime(row, column, value.to_pydatetime(), look)
        elif kind == "text":
            sheet.write_string(row, column, str(value), look)
        else:
            sheet.write_number(row, column, value, look)


def _width(heading: str, values: pd.Series, kind: str) -> float:
    if kind != "text":
        return max(9.0, min(14.0, _cells(heading) + 1))
    longest = max((_cells(str(v)) for v in values.head(300)), default=0)
    return float(min(WIDEST, max(8, longest + 1, min(_cells(heading) + 2, 14))))


def _cells(text: str) -> int:
    """Width in Latin characters: a Chinese character takes two."""
    return sum(2 if ord(c) > 0x2E80 else 1 for c in text)  # noqa: PLR2004 (first CJK block)


def _color(sheet: Worksheet, formats: dict[str, Format], column: int, values: pd.Series, kind: str, lang: str) -> None:
    """Outcomes in the colours of the maps; shares as bars."""
    last = max(1, len(values))
    if kind == "share":
        # Bars as Excel 2007 has them: no extension that other readers drop.
        bar = {
            "type": "data_bar",
            "bar_color": "#9ecae1",
            "min_type": "num",
            "max_type": "num",
            "min_value": 0,
            "max_value": 1,
        }
        sheet.conditional_format(1, column, last, column, bar)
    elif kind == "text":
        present = set(values.dropna().unique())
        for c in (*OUTCOMES, *VERDICTS):
            text = word(c.key, lang)
            if text in present:
                rule = {"type": "cell", "criteria": "==", "value": f'"{text}"', "format": formats[f"tag:{c.key}"]}
                sheet.conditional_format(1, column, last, column, rule)


def _print_set_up(sheet: Worksheet, *, footer: str) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer(f"&L{footer}&C&A&R&P / &N")
