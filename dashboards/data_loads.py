"""What was loaded: the ledger of loads, rows set aside, editions of every table."""

# ruff: noqa: E501 (a row of a table stands on one line)

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dash import dcc, html

from dashboards import desk_data as data
from dashboards.data_parts import heads, local_time, number, scrolled, short_hash
from dashboards.shell import card, kpi

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from dashboards.context import View


SHOWN = 200
EPOCH = date(1970, 1, 1)  # what has no first day holds from here on
LIMIT = 100_000


def loads(view: View) -> list[Component]:
    """The ledger of loads."""
    t = view.t
    table = data.manifest_table(view.data.manifests(), view.lang)
    wrong = int((~table["adds_up"].astype(bool)).sum())
    sums = {c: int(table[c].sum()) for c in ("rows_in", "inserted", "already_present", "quarantined")}
    top = html.Div(
        [
            kpi(t("data.kpi_loads"), f"{len(table):,}"),
            kpi(
                t("data.kpi_rows"),
                f"{sums['rows_in']:,}",
                note=t("data.adds_not", n=wrong) if wrong else t("data.adds_up"),
                tone="bad" if wrong else "",
            ),
            kpi(
                t("data.kpi_inserted"),
                f"{sums['inserted']:,}",
                note=f"{t('data.kpi_present')} {sums['already_present']:,}",
            ),
            kpi(t("data.kpi_quarantined"), f"{sums['quarantined']:,}", tone="warn" if sums["quarantined"] else "good"),
        ],
        className="grid grid-4",
    )
    names = (
        "source",
        "table",
        "path",
        "sha256",
        "rows_in",
        "inserted",
        "already_present",
        "quarantined",
        "sum",
        "crs",
        "encoding",
        "loaded_at",
        "notes",
    )
    rows = [
        html.Tr(
            [
                html.Td(m["source"]), html.Td(data.table_title(m["table"], view.lang)), html.Td(m["path"], className="words"), html.Td(short_hash(m["sha256"])),
                number(m["rows_in"]), number(m["inserted"]), number(m["already_present"]), number(m["quarantined"]),
                html.Td(html.Span("✓" if m["adds_up"] else "✗", className=f"badge {'good' if m['adds_up'] else 'bad'}")),
                html.Td(m["crs"]), html.Td(m["encoding"]), html.Td(local_time(view, m["loaded_at"]), className="time"), html.Td(m["notes"], className="words"),
            ]
        )
        for m in table.to_dict("records")
    ]  # fmt: skip
    return [
        top,
        card(None, scrolled(heads(view, names, ("rows_in", "inserted", "already_present", "quarantined")), rows)),
    ]


def may_see_rows(view: View) -> bool:
    """Whether the visitor may see rejected rows themselves."""
    return view.principal.scope.whole and view.principal.role in {"manager", "administrator"}


def quarantine(view: View) -> list[Component]:
    """What was set aside, and why."""
    t = view.t
    counts = data.reason_counts(view.data.manifests())
    if not len(counts):
        return [card(None, html.P(t("data.quarantine_none"), className="note"))]
    words = data.reason_words(view.data.quarantine(limit=LIMIT), view.lang) if may_see_rows(view) else {}
    rows = [
        html.Tr([html.Td(r["source"]), html.Td([words.get(r["code"], ""), " ", html.Code(r["code"])]), number(r["rows"])])
        for r in counts.to_dict("records")
    ]  # fmt: skip
    summary = card(
        t("data.tab_quarantine"),
        scrolled(heads(view, ("source", "reason", "rows"), ("rows",)), rows),
        note=f"{int(counts['rows'].sum()):,}",
    )
    if not may_see_rows(view):
        return [summary, html.P(t("data.role_only"), className="alert")]
    sources = [
        {"value": "", "label": t("data.source_all")},
        *({"value": s, "label": s} for s in sorted(set(counts["source"]))),
    ]
    codes = [
        {"value": "", "label": t("data.reason_all")},
        *({"value": c, "label": words.get(c, c)} for c in sorted(set(counts["code"]))),
    ]
    pick = html.Div(
        [
            html.Div(
                [
                    html.Label(t("data.source"), htmlFor="data-source"),
                    dcc.Dropdown(id="data-source", options=sources, value="", clearable=False),
                ],
                className="field",
            ),
            html.Div(
                [
                    html.Label(t("data.reason"), htmlFor="data-reason"),
                    dcc.Dropdown(id="data-reason", options=codes, value="", clearable=False),
                ],
                className="field",
            ),
            html.Button(t("data.export"), id="data-export", className="button primary", n_clicks=0),
            dcc.Download(id="data-download"),
        ],
        className="filters",
    )
    return [summary, card(None, pick), html.Div(rejected(view, "", ""), id="data-rejected")]


def rejected(view: View, source: str, code: str) -> Component:
    """Rejected rows of a source and reason."""
    t = view.t
    found = data.quarantine_rows(view.data.quarantine(limit=LIMIT), source=source, code=code)
    rows = [
        html.Tr([html.Td(q["source"]), number(q["row"]), html.Td(q["column"] if isinstance(q["column"], str) else ""),
                 html.Td([t.pick(q["zh"], q["en"]), html.Br(), html.Code(q["code"])]), html.Td(data.raw_words(q["raw"], lang=view.lang), className="words", title=str(q["raw"]))])
        for q in found.head(SHOWN).to_dict("records")
    ]  # fmt: skip
    note = t("data.shown", shown=min(len(found), SHOWN), n=len(found))
    return card(
        t("data.tab_quarantine"),
        scrolled(heads(view, ("source", "row", "column", "reason", "raw"), ("row",)), rows),
        note=note,
    )


def unresolved(view: View) -> list[Component]:
    """Responsibilities that the newest audit could give to nothing, each with what to write instead."""
    t, day = view.t, view.latest_day()
    found = view.data.result("unresolved", day) if day else None
    if found is None or not len(found):
        return [card(None, html.P(t("data.unresolved_none"), className="note"))]
    rows = [
        html.Tr([html.Td(r["source_name"] or "", className="words"), number(int(r["source_row"] or 0)), html.Td(r["source_text"] or "", className="words"),
                 html.Td(t.pick(r["reason_zh"], r["reason_en"]), className="words"), html.Td(t.pick(r["write_zh"], r["write_en"]), className="words")])
        for r in found.head(SHOWN).astype(object).where(found.head(SHOWN).notna(), None).to_dict("records")
    ]  # fmt: skip
    note = t("data.shown", shown=min(len(found), SHOWN), n=len(found))
    return [
        html.P(t("data.unresolved_lead"), className="note"),
        card(
            t("data.tab_unresolved"),
            scrolled(heads(view, ("path", "row", "as_written", "reason", "write"), ("row",)), rows),
            note=note,
        ),
    ]


def editions(view: View) -> list[Component]:
    """Every edition of every table."""
    t = view.t
    day = view.latest_day()
    run = view.data.run(day) if day else None
    used = dict(run.editions) if run else {}
    table = data.edition_table(view.data.editions(), used, view.data.manifests(), view.lang)
    rows = [
        html.Tr([html.Td(data.table_title(e["table"], view.lang)), html.Td(html.Code(e["table"])), html.Td(short_hash(e["edition_id"])), number(e["rows"]),
                 html.Td(t("data.always") if e["valid_from"] <= EPOCH else str(e["valid_from"])), number(e["sources"]), html.Td(html.Span("✓", className="badge good") if e["used"] else ""),
                 html.Td(local_time(view, e["loaded_at"])), html.Td([html.P(w) for w in e["warnings"]])])
        for e in table.to_dict("records")
    ]  # fmt: skip
    heads = html.Thead(html.Tr([
        html.Th(view.t("data.table")), html.Th(""), html.Th(view.t("data.edition")), html.Th(view.t("data.rows"), className="num"),
        html.Th(view.t("data.valid_from")), html.Th(view.t("data.sources"), className="num"), html.Th(view.t("data.used")), html.Th(view.t("data.loaded_at")), html.Th(view.t("data.warnings")),
    ]))  # fmt: skip
    return [card(None, scrolled(heads, rows))]
