"""What the planner's panels are made of: figures, tables, bars, outcomes, clauses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from dash import html

from dashboards.cells import NONE, bounds
from layers.symbology import outcome_color

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.context import View

COVERED, UNKNOWN = outcome_color("covered"), outcome_color("unknown")


def rows_of(frame: pd.DataFrame) -> list[SimpleNamespace]:
    """Rows with their columns as attributes."""
    return [SimpleNamespace(**{str(k): v for k, v in row.items()}) for row in frame.to_dict("records")]


def decimal(value: object, digits: int = 1, *, sign: bool = False) -> str:
    """A number for people; a dash where there is none."""
    number = float(value) if isinstance(value, (int, float, np.number)) else float("nan")
    return NONE if np.isnan(number) else f"{number:{'+' if sign else ''},.{digits}f}"


def table(
    headings: Sequence[str], rows: Sequence[Sequence[Any]], *, numeric: Sequence[int] = (), caption: str = ""
) -> Component:
    """A table for people; columns in `numeric` are set to the right."""
    head = html.Thead(
        html.Tr([html.Th(h, className="num" if k in numeric else "", scope="col") for k, h in enumerate(headings)])
    )
    body = html.Tbody(
        [html.Tr([html.Td(v, className="num" if k in numeric else "") for k, v in enumerate(r)]) for r in rows]
    )
    top = [html.Caption(caption)] if caption else []
    return html.Div(html.Table([*top, head, body], className="data"), className="scroll")


def clause_of(view: View, day: date, rule_id: object) -> Component | None:
    """The clause of a rule with its Chinese sentence, None where there is no such rule."""
    rule = view.standard_on(day).rules.get(str(rule_id))
    if rule is None:
        return None
    head = f"{view.t('planner.clause')} {rule.clause} · {view.t.pick(rule.zh, rule.en)}"
    return html.Blockquote([html.Footer(head), html.Span(f"“{rule.quote}”", lang="zh-CN")], className="clause")


def rate_bars(rows: Sequence[tuple[str, float, float, bool, str]]) -> Component:
    """Bars of rates: label, lower, upper bound, chosen, title."""
    made = []
    for label, low, high, chosen, title in rows:
        one, two = (0.0 if np.isnan(v) else v for v in (low, high))
        made.append((label, f"{100 * one:.0f}", one, two, chosen, title))
    return bars(made)


def bars(rows: Sequence[tuple[str, str, float, float, bool, str]]) -> Component:
    """Bars: label, figure, height and height with the doubtful part (shares of the tallest possible), chosen, title."""
    made = []
    for label, figure, low, high, chosen, title in rows:
        fill = [
            html.Div(
                className="planner-unknown",
                style={"height": f"{100 * (high - low):.1f}%", "bottom": f"{100 * low:.1f}%"},
            ),
            html.Div(className="planner-low", style={"height": f"{100 * low:.1f}%"}),
        ]
        made.append(
            html.Div(
                [html.Span(figure, className="figure"), html.Div(fill, className="planner-bar"), html.Span(label)],
                className=f"planner-hour {'chosen' if chosen else ''}",
                title=title,
            )
        )
    return html.Div(made, className="planner-hours")


def day_bars(days: pd.DataFrame) -> Component:
    """Bars of rates by day: columns day, rate_low, rate_high, windows (`planner_coverage.by_day`)."""
    return rate_bars([
        (f"{r.day:%m-%d}", r.rate_low, r.rate_high, False, f"{r.day} {bounds(r.rate_low, r.rate_high)} ({int(r.windows)})")
        for r in rows_of(days)
    ])  # fmt: skip


def rate_key(view: View) -> Component:
    """What the colours of `rate_bars` mean."""
    marks = [("covered", COVERED), ("unknown", UNKNOWN)]
    return html.Div([html.Span(view.t(f"planner.{n}"), className="planner-key", style={"--key": c}) for n, c in marks])
