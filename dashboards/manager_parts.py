"""Parts of the manager's page: figures, table, trend, exports, confirmation. View data in, components out."""

from __future__ import annotations

import urllib.parse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
from dash import html

from dashboards.cells import NONE, bounds, cell, percent
from dashboards.exports.shown import FORMATS as TABLE_FORMATS
from dashboards.marks import explain_address
from dashboards.row_table import Cell, Head, RowTable
from dashboards.shell import kpi, nothing_owned
from dashboards.tally import NOWHERE
from dashboards.views import in_words
from layers.symbology import outcome_color, word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from dashboards.context import View
    from dashboards.desk_manager import Choice
    from dashboards.i18n import Translate
    from dashboards.views import View as Table
    from layers.contracts import Column

PAGE_ROWS = 100
MOST_DATED = 14
RUN_FORMATS = ("pdf", "xlsx", "csv", "gpkg", "geojson", "html")
STACK = (("covered", "km_covered"), ("unknown", "km_unknown"), ("missed", "km_missed"), ("excused", "km_excused"))
WHO = ("name", "section_name", "grid_name")  # what a row is about


def provisional_note(t: Translate, base: pd.DataFrame) -> list[Any]:
    """What to say above figures of windows that rest on a day whose holidays are not published; nothing where none does."""
    guessed = "provisional" in base and bool(base["provisional"].eq(True).any())
    return [html.P(t("manager.provisional"), className="note", role="status")] if guessed else []


def figures_row(view: View, day: date, choice: Choice, figures: Mapping[str, Any]) -> Any:
    """The figures over everything chosen."""
    t, all_ = view.t, figures["entitled"]
    if all_ is None:
        return html.Div(view.t("manager.empty"), className="empty")
    by_km = view.standard_on(day).measure.weight.value == "km" and choice.kind != "community"
    tiles = [
        kpi(
            t("manager.rate"),
            bounds(all_["rate_low"], all_["rate_high"]),
            note=t("manager.rate_note" if by_km else "manager.rate_note_count"),
        ),
        *(
            kpi(
                t(f"manager.{name}"),
                f"{int(all_[name]):,}",
                note=t("manager.km", km=f"{all_[f'km_{name}']:,.1f}") if choice.kind == "roads" else "",
                tone={"missed": "bad" if all_["missed"] else ""}.get(name, ""),
            )
            for name in ("windows", "covered", "missed", "unknown", "excused")
        ),
    ]
    if choice.kind == "roads" and figures["responsible"]:
        own = figures["responsible"]
        tiles.append(
            kpi(
                t("manager.responsible"),
                bounds(own["rate_low"], own["rate_high"]),
                note=t("manager.responsible_note"),
            )
        )
    return html.Div(tiles, className="grid audit-figures")


def manager_address(day: date, choice: Choice) -> str:
    """Where a choice is shown for a day."""
    return "/manager?" + urllib.parse.urlencode({"day": str(day), **choice.query()})


def _evidence(day: date, choice: Choice, row: Mapping[Any, Any]) -> str | None:
    if choice.kind == "roads" and choice.level == "window":
        return explain_address(day, section=row["section_id"], rule=row["rule_id"], window=row["window_ix"])
    if choice.kind == "roads" and choice.level == "section" and row["key"] != NOWHERE:
        return explain_address(day, section=row["key"])
    if choice.kind == "rounds" and choice.level == "grid" and row["key"] != NOWHERE:
        return explain_address(day, grid=row["key"])
    if choice.kind == "community" and choice.level == "window":
        return explain_address(
            day, community=row["grid_id"], rule=row["rule_id"], window=f"{row['starts']:%Y%m%dT%H%M}"
        )
    if choice.kind == "community" and choice.level == "community" and row["key"] != NOWHERE:
        return explain_address(day, community=row["key"])
    return None


def _cell(view: View, column: Column, row: Mapping[Any, Any], shown: Any, *, into: bool) -> Cell:
    value = row[column.name]
    text, look = cell(column, value, shown)
    made = Cell(text=text, look=f"{look} subject" if column.name in WHO else look)
    if column.name == "name" and into:
        made |= {"do": "into", "key": row["key"]}
    elif column.name.startswith("outcome"):
        made |= {"text": word(str(value), view.lang), "colour": outcome_color(str(value))} if value else {"text": NONE}
    elif column.name in {"rate_low", "rate_rounds_low"} and pd.notna(value):
        high = row[column.name.replace("low", "high")]
        made |= {"low": f"{value:.1%}", "high": f"{value if pd.isna(high) else high:.1%}"}
    return made


def _heads(view: View, day: date, choice: Choice, columns: Sequence[Column], words: Sequence[str]) -> list[Head]:
    heads = []
    sorted_by = choice.sort_column({c.name for c in columns}, view.standard_on(day))
    for column, heading in zip(columns, words, strict=True):
        number = "num" if column.dtype in {"int", "float", "time"} else ""
        head = Head(
            text=heading, look="subject" if column.name in WHO else number, title=view.t("manager.sort_by", name=heading),
            do="sort", key=column.name,
        )  # fmt: skip
        if column.name == sorted_by:
            head |= {
                "text": f"{heading} {'↓' if choice.down else '↑'}",
                "order": "descending" if choice.down else "ascending",
                "do": "turn",
            }
        heads.append(head)
    return heads


def table_part(
    view: View, day: date, choice: Choice, table: Table, *, start: int, into: bool, button: Callable[..., Any]
) -> Any:
    """The rows of a page of the table, with headings that sort, names that lead down and links to the evidence."""
    t, count = view.t, len(table.frame)
    if not count:
        nothing = nothing_owned(view, day) if choice.kind == "roads" else ""
        return html.Div(nothing or t("manager.empty"), className="empty")
    part = table.frame.iloc[start : start + PAGE_ROWS]
    words = in_words(replace(table, frame=part), lang=view.lang, time_zone=view.settings.time_zone)
    columns = [c for c in table.columns if c.name in part]
    heads = _heads(view, day, choice, columns, words.columns.tolist())
    rows = [
        [_cell(view, c, row, v, into=into) for c, v in zip(columns, shown, strict=True)]
        for row, shown in zip(part.to_dict("records"), words.itertuples(index=False, name=None), strict=True)
    ]
    links = [_evidence(day, choice, r) for r in part.to_dict("records")]
    if any(links):
        heads.append(Head(text=t("manager.explain"), look="evidence"))
        for made, link in zip(rows, links, strict=True):
            made.append(Cell(text=t("manager.explain") if link else "", look="evidence", href=link or ""))
    grid = RowTable(
        id={"type": "manager-table", "part": "rows"}, caption=f"{table.title(view.lang)} · {t('manager.rows', n=f'{count:,}')}",
        heads=heads, rows=rows, className="audit-table",
    )  # fmt: skip
    return html.Div([grid, _pager(view, start, count, button)])


def _pager(view: View, start: int, count: int, button: Callable[..., Any]) -> Any:
    t = view.t
    if count <= PAGE_ROWS:
        return html.Div(t("manager.rows", n=f"{count:,}"), className="pager")
    end = min(count, start + PAGE_ROWS)
    parts: list[Any] = [t("manager.page_of", a=f"{start + 1:,}", b=f"{end:,}", n=f"{count:,}")]
    if start:
        parts.append(button("page", str(start - PAGE_ROWS), t("manager.previous"), className="button small"))
    if end < count:
        parts.append(button("page", str(end), t("manager.next"), className="button small"))
    return html.Div(parts, className="pager")


def trend_part(view: View, day: date, course: pd.DataFrame, choice: Choice) -> Any:
    """One stacked bar a day, with its words; each leads to the same table of its day."""
    t = view.t
    if not len(course):
        return html.P(t("manager.empty"), className="note")
    bars, short = [], len(course) <= MOST_DATED
    for row in course.to_dict("records"):
        total = sum(row[column] for _, column in STACK) or 1.0
        label = t(
            "manager.trend_label", day=row["day"], low=percent(row["rate_low"]), high=percent(row["rate_high"]),
            windows=int(row["windows"]), missed=int(row["missed"]), unknown=int(row["unknown"]),
        )  # fmt: skip
        stack = [
            html.Div(style={"height": f"{row[column] / total:.2%}", "background": outcome_color(key)})
            for key, column in STACK
        ]
        now = " now" if row["day"] == day else ""
        bar = html.Div(stack, className=f"trend-day{now}", title=label, role="img", **{"aria-label": label})
        when = html.Small(str(row["day"].day), **{"aria-hidden": "true"})
        link = manager_address(row["day"], choice)
        bars.append(html.A([bar, when] if short else [bar], href=link, className="trend-column"))
    key = [html.Span(word(k, view.lang), style={"--colour": outcome_color(k)}) for k, _ in STACK]
    first, last = course["day"].iloc[0], course["day"].iloc[-1]
    ends = [str(first)] if first == last else [str(first), str(last)]
    note = t("manager.trend_one") if len(course) == 1 else t("manager.trend_note", n=len(course))
    return html.Div(
        [
            html.Div(bars, className="trend"),
            html.Div([html.Span(e) for e in ends], className="trend-ends"),
            html.Div(key, className="key-line"),
            html.P(note, className="note"),
        ]
    )


def export_links(view: View, day: date, choice: Choice) -> list[Any]:
    """Links to what may be taken away: the table as shown, the whole run."""
    t = view.t
    asked = urllib.parse.urlencode({"day": str(day), "lang": view.lang, **choice.query()})
    whole = urllib.parse.urlencode({"day": str(day), "lang": view.lang})
    return [
        html.Section([html.H2(t("manager.export_shown")), html.Div([
            html.A(t(f"manager.format_{f}"), href=f"/export/table/{f}?{asked}", className="button small", download="")
            for f in TABLE_FORMATS], className="export-list")], className="card"),
        html.Section([html.H2(t("manager.export_run")), html.Div([
            html.A(t(f"manager.format_{f}"), href=f"/export/run/{f}?{whole}", download="",
                   className="button small primary" if f == "pdf" else "button small")
            for f in RUN_FORMATS], className="export-list")], className="card"),
    ]  # fmt: skip


def figure_key(choice: Choice) -> str:
    """What a confirmation is about, without how the table is shown."""
    kept = {k: v for k, v in choice.query().items() if k in {"kind", "rule"} or k.startswith("in_")}
    return urllib.parse.urlencode(sorted(kept.items())) or "all"


def confirmation_of(view: View, day: date, choice: Choice, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The ledger's row: figure, day, run, scope and the values confirmed."""
    run = view.data.run(day)
    values = figures["entitled"] or {}
    numbers = {k: int(values.get(k, 0)) for k in ("windows", "covered", "missed", "unknown", "excused")}
    rates = {
        k: None if pd.isna(values.get(k, float("nan"))) else round(float(values[k]), 9)
        for k in ("rate_low", "rate_high")
    }
    return {"figure": figure_key(choice), "day": str(day), "run_id": run.run_id if run else "", "scope": str(view.principal.scope),
            **numbers, **rates}  # fmt: skip


def confirmed(view: View, day: date, choice: Choice, figures: Mapping[str, Any], names: Mapping[str, str]) -> list[Any]:
    """What may be confirmed, and who has."""
    t, values = view.t, figures["entitled"]
    if not view.standard_on(day).measure.confirmation.value:
        return [html.P(t("manager.confirm_off"), className="note")]
    what = " › ".join(names.values()) or t("manager.everything")
    if choice.rule:
        rule = view.standard_on(day).rules.get(choice.rule)
        what += f" · {t.pick(rule.zh, rule.en) if rule else choice.rule}"
    low, high = (percent(values["rate_low"]), percent(values["rate_high"])) if values else ("—", "—")
    parts: list[Any] = [html.P(t("manager.confirm_what", what=what, day=day, low=low, high=high), className="note")]
    ledger = view.data.confirmations(limit=10_000).reindex(columns=["at", "by", "figure", "day", "scope", "run_id"])
    mine = ledger[
        (ledger["figure"] == figure_key(choice)) & (ledger["day"].astype(str) == str(day))
        & (ledger["scope"] == str(view.principal.scope))
    ] if len(ledger) else ledger  # fmt: skip
    run = view.data.run(day)
    current = mine[mine["run_id"] == run.run_id] if len(mine) and run else mine.iloc[:0]
    if not len(current):
        parts.append(html.P(t("manager.confirm_none"), className="alert warn"))
        return [*parts, html.P(t("manager.confirm_stale"), className="note")] if len(mine) else parts
    for row in current.head(5).to_dict("records"):
        at = f"{view.local(pd.Timestamp(row['at']).to_pydatetime()):%Y-%m-%d %H:%M}"
        parts.append(html.P(t("manager.confirm_by", by=row["by"], at=at), className="alert"))
    return parts
