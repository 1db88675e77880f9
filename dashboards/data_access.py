"""The access log as administrators see it: who signed in, who failed to, who was shown whom, who exported what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from dashboards.data_parts import heads, local_time, scrolled
from dashboards.shell import card

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from dashboards.context import View

NEWEST = 500
EVENTS = ("sign_in", "sign_in_failed", "tracks", "passes", "export")
_HEADS = ("at", "account", "event", "purpose", "seen_day", "persons", "devices", "address")


def access(view: View) -> list[Component]:
    """The newest rows; of persons and devices how many, their ids where one points.

    Raises:
        ForbiddenError: not an administrator of the whole county.
    """
    t = view.t
    found = view.data.access_log(limit=NEWEST)
    rows = [_row(view, {str(k): v for k, v in r.items()}) for r in found.to_dict("records")]
    note = t("data.access_newest", n=len(rows))
    return [card(None, scrolled(heads(view, _HEADS, ("persons", "devices")), rows), note=note)]


def _row(view: View, row: dict[str, Any]) -> Component:
    event = _text(row.get("event"))
    words = view.t(f"data.event_{event}") if event in EVENTS else event
    cells = [html.Td(local_time(view, row["at"])), html.Td(_text(row.get("name"))), html.Td(words)]
    cells += [html.Td(_text(row.get(k))) for k in ("purpose", "day")]
    cells += [_counted(row.get(k)) for k in ("persons", "devices")]
    return html.Tr([*cells, html.Td(_text(row.get("address")))])


def _counted(value: Any) -> Component:
    """How many, with their ids as a title."""
    if not isinstance(value, list):
        return html.Td("", className="num")
    return html.Td(f"{len(value):,}", className="num", title="、".join(map(str, value)))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
