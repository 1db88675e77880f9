"""Marks and links that every desk uses."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

from dash import html

from layers.symbology import outcome_color, word

if TYPE_CHECKING:
    from datetime import date


def outcome_mark(key: str, lang: str) -> html.Span:
    """An outcome by colour and word."""
    return html.Span(word(key, lang), className="outcome", style={"--colour": outcome_color(key)})


def explain_address(day: date | str, **what: object) -> str:
    """Where a figure is traced to its evidence: section, grid or community; a rule and a window where one is meant."""
    return "/explain?" + urllib.parse.urlencode({"day": str(day), **{k: str(v) for k, v in what.items() if v != ""}})
