"""How figures are written: page, report and map write a cell by these functions, so that it reads the same in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

if TYPE_CHECKING:
    from layers.contracts import Column

NONE = "—"
IDS = ("key", "section_id", "grid_id", "rule_id")
LONG = ("missing", "lacking", "section_name")
Look = Literal["num", "id", "long", "text"]


def percent(value: Any, digits: int = 1) -> str:
    """A share in words: a dash where nothing was asked."""
    return NONE if value is None or pd.isna(value) else f"{value:.{digits}%}"


def bounds(low: Any, high: Any) -> str:
    """Both bounds of a rate, one figure where they are equal as shown."""
    one, two = percent(low), percent(high)
    return one if one == two else f"{one} – {two}"


def rounds_words(done: Any, possible: Any, required: Any) -> str:
    """Rounds of a grid: those done, and after a dash those possible at most where they are more, of those required."""
    shown = f"{int(done)}"
    if possible is not None and not pd.isna(possible) and int(possible) > int(done):
        shown += f" – {int(possible)}"
    return f"{shown} / {NONE if required is None or pd.isna(required) else int(required)}"


def is_share(column: Column) -> bool:
    """Whether a column holds shares of one, shown as per cent."""
    return column.name.startswith("rate") or column.name.endswith("share") or column.name == "probability"


def cell(column: Column, value: Any, worded: Any) -> tuple[str, Look]:
    """Text and look of a cell.

    Args:
        column: of the contract.
        value: as stored.
        worded: as `dashboards.views.in_words` gives it.

    Returns:
        the text; num (right aligned), id (small), long (may wrap) or text.
    """
    number = column.dtype in {"int", "float", "time"}
    if worded is None or worded is pd.NaT or worded is pd.NA or (isinstance(worded, float) and pd.isna(worded)):
        return NONE, "num" if number else "text"
    if is_share(column):
        return percent(value), "num"
    if column.dtype == "time":
        return f"{worded:%m-%d %H:%M}", "num"
    if column.dtype == "float" or column.unit in {"mm", "s"}:
        return f"{worded:,.2f}" if column.unit in {"mm", "km"} else f"{worded:,.1f}", "num"
    if column.dtype == "int":
        return f"{int(worded):,}", "num"
    return str(worded), "id" if column.name in IDS else "long" if column.name in LONG else "text"
