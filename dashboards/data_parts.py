"""Parts that the tables of the data page share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from dash import html

from dashboards.desk_data import SHORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash.development.base_component import Component

    from dashboards.context import View


def heads(view: View, names: Sequence[str], numeric: Sequence[str] = ()) -> Component:
    """The headings of a table, from words of this page."""
    return html.Thead(
        html.Tr([html.Th(view.t(f"data.{n}"), className="num" if n in numeric else "", scope="col") for n in names])
    )


def scrolled(head: Component, rows: Sequence[Component]) -> Component:
    """A table that scrolls in its card."""
    return html.Div(html.Table([head, html.Tbody(list(rows))], className="data"), className="scroll", tabIndex=0)


def short_hash(text: str) -> Component:
    """The beginning of a hash; the whole of it where one points."""
    return html.Code(text[:SHORT], title=text)


def local_time(view: View, moment: Any) -> str:
    """Local time to the minute, empty where there is none."""
    return "" if moment is None or pd.isna(moment) else f"{view.local(moment):%Y-%m-%d %H:%M}"


def number(value: object) -> Component:
    """A cell with a count."""
    return html.Td(f"{value:,}", className="num")
