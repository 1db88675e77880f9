"""`RowTable`: a table that is one Dash component, its rows data (built from frontend/src/table.ts).

Dash tells each component on a page of every other one that it draws: a table of forty rows made of cells took six seconds to draw anew.
"""

from __future__ import annotations

from typing import TypedDict

from dash.development.base_component import Component


class Head(TypedDict, total=False):
    """A heading: `text`, `look` (class), `title`; with `do` and `key` it is a button; `order` (ascending, descending) where it sorts."""

    text: str
    look: str
    title: str
    do: str
    key: str
    order: str


class Cell(TypedDict, total=False):
    """A cell: `text` and `look` (class); a link with `href`, a button with `do` and `key`.

    `colour` puts a mark before the text; `low` and `high` (per cent, as CSS has it) a bar below it.
    """

    text: str
    look: str
    href: str
    do: str
    key: str
    colour: str
    low: str
    high: str


class RowTable(Component):  # type: ignore[misc]
    """`caption`, `heads` (list of Head), `rows` (list of lists of Cell), `className` in; `clicked` ({do, key, at}) out."""

    _namespace = "xuncha"
    _type = "RowTable"
    _prop_names: list[str] = ["id", "caption", "heads", "rows", "className", "clicked"]  # noqa: RUF012 (read by Dash)
    _valid_wildcard_attributes: list[str] = []  # noqa: RUF012
    available_properties = _prop_names
    available_wildcard_properties: list[str] = []  # noqa: RUF012
