"""A table with its map as PDF, landscape: what was chosen, the totals, the places, the rows in the order of the screen."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A3, A4, landscape
from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, PageBreak, SimpleDocTemplate, Spacer, Table, TableStyle

from dashboards.exports.report_parts import (
    MARGIN,
    PADDING,
    REGULAR,
    SOFT,
    Swatch,
    VectorMap,
    data_table,
    numbered,
    register_fonts,
    style,
    text,
)
from dashboards.exports.table_map import text_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dashboards.exports.shown import Shown
    from dashboards.views import View
    from layers.symbology import Layer

EDGES = 2 * MARGIN + 2 * PADDING
MOST_ROWS = 1000  # beyond them the report says so
SIZE = 6.6
LETTER, ROOM = 0.53 * SIZE, 9.0  # of a Latin letter, of a cell's edges
LEAST_WIDTH, MOST_WIDTH, WIDE = 28.0, 110.0, 170.0
ABOVE_MAP = 106 * mm  # title, words, totals and margins
CROWDED = 1.15  # columns that would like so much more than an A4 page offers go on A3


def write_table_report(shown: Shown, layer: Layer, path: Path, *, backdrop: Any = None) -> Path:
    """Write the rows and their places; the same table gives the same bytes.

    Args:
        shown: rows are written in its order, cells as on the page.
        layer: how places are coloured.
        path: the PDF.
        backdrop: shapes drawn below in grey, for orientation.

    Returns:
        The path.

    Raises:
        SettingsError: the fonts have not been built.
    """
    register_fonts()
    table, title, words, lang = shown.table, shown.title, shown.words, shown.lang
    zh = lang == "zh"
    heads, rows = text_rows(table, lang=lang, time_zone=shown.time_zone, most=MOST_ROWS)
    natural, texts = _natural(heads, rows)
    width, height = landscape(A4 if sum(natural) <= CROWDED * (landscape(A4)[0] - EDGES) else A3)
    body = width - EDGES
    story: list[Any] = [
        text(title, style(18, bold=True, leading=27)),
        Spacer(1, 1.5 * mm),
        _pairs(words, body),
        Spacer(1, 3 * mm),
    ]
    story += [_tiles(shown.figures, body), Spacer(1, 4 * mm)] if shown.figures else []
    story += [*_map(table, layer, lang, backdrop, body, height), PageBreak()]
    count = len(table.frame)
    if count > MOST_ROWS:
        note = (
            f"只列前 {MOST_ROWS:,} 行（共 {count:,} 行）；全部行见 XLSX、CSV 与 GeoPackage。"
            if zh
            else f"The first {MOST_ROWS:,} of {count:,} rows; all are in the XLSX, CSV and GeoPackage."
        )
        story += [text(note, style(8.5, color=SOFT)), Spacer(1, 2 * mm)]
    right = [i for i in range(len(heads)) if rows and rows[0][i][1] == "num"]
    cells = [[t for t, _ in row] for row in rows]
    story.append(
        data_table(heads, cells, _fitted(natural, texts, body), right=right, width=body, size=SIZE, points=True)
    )
    made = io.BytesIO()
    document = SimpleDocTemplate(
        made, pagesize=(width, height), leftMargin=MARGIN, rightMargin=MARGIN, topMargin=13 * mm, bottomMargin=16 * mm,
        title=title, subject="; ".join(f"{k} {v}" for k, v in words), creator="xuncha", invariant=1, lang="zh-CN" if zh else "en",
    )  # fmt: skip
    foot = f"{title} · {words[0][1]}" if words else title
    pages = "第 {page} 页，共 {pages} 页" if zh else "page {page} of {pages}"
    document.build(story, canvasmaker=numbered(foot, pages, width=width, first=1))
    path.write_bytes(made.getvalue())
    return path


def _pairs(words: Sequence[tuple[str, str]], body: float) -> Table:
    """Label and value, two pairs a row."""
    small, plain = style(8.5, color=SOFT), style(8.5)
    cells = [[text(k, small), text(v, plain)] for k, v in words]
    if len(cells) % 2:
        cells.append([text("", small), text("", plain)])
    rows = [[*cells[i], *cells[i + 1]] for i in range(0, len(cells), 2)]
    look = TableStyle([
        ("FONTNAME", (0, 0), (-1, -1), REGULAR), ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#d5dde4")),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5), ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ])  # fmt: skip
    return Table(rows, colWidths=[body * w for w in (0.1, 0.4, 0.1, 0.4)], style=look, hAlign="LEFT")


def _tiles(figures: Sequence[tuple[str, str]], body: float) -> Table:
    """The totals in a row."""
    cells = [
        [text(k, style(8, color=SOFT)) for k, _ in figures],
        [text(v, style(12.5, bold=True, leading=18)) for _, v in figures],
    ]
    look = TableStyle([("FONTNAME", (0, 0), (-1, -1), REGULAR), ("BACKGROUND", (0, 0), (-1, -1), HexColor("#f4f7f9"))])
    wide = [2.0 if len(v) > 8 else 1.0 for _, v in figures]  # noqa: PLR2004 (two bounds need two places)
    return Table(cells, colWidths=[body * w / sum(wide) for w in wide], style=look, hAlign="LEFT")


def _map(table: View, layer: Layer, lang: str, backdrop: Any, body: float, height: float) -> list[Any]:
    """The places with their legend, as many rows in each class as the table has."""
    frame = gpd.GeoDataFrame(table.frame, geometry="geometry", crs=4326)
    placed = frame[frame["geometry"].notna()]
    if not len(placed):
        return []
    legend = layer.legend(pd.Series(frame[layer.column]))
    rows = [[Swatch(r["color"]), r[lang], f"{r['count']:,}"] for r in legend.to_dict("records") if r["count"]]
    heads = ["", "图例" if lang == "zh" else "Legend", "行数" if lang == "zh" else "Rows"]
    key = data_table(heads, rows, (0.6, 2.4, 0.9), right=(2,), width=body * 0.24, size=8)
    chart = VectorMap(
        layer,
        placed["geometry"].to_numpy(),
        placed[layer.column],
        height=height - ABOVE_MAP,
        width=body * 0.74,
        backdrop=backdrop,
    )
    look = TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ]
    )
    return [KeepTogether([Table([[chart, key]], colWidths=[body * 0.76, body * 0.24], style=look, hAlign="LEFT")])]


def _cells(words: str) -> int:
    """Width in Latin letters: a Chinese character takes two."""
    return sum(2 if ord(c) > 0x2E80 else 1 for c in words)  # noqa: PLR2004 (first CJK block)


def _natural(heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> tuple[list[float], list[int]]:
    """Points that every column would like, and which columns hold texts that may wrap."""
    out, texts = [], []
    for i, head in enumerate(heads):
        longest = max((_cells(r[i][0]) for r in rows), default=1)
        word = min(11, max(_cells(w) for w in head.split() or [""])) if head.isascii() else 4
        number = bool(rows) and rows[0][i][1] == "num"
        most = 1000.0 if number else WIDE if rows and rows[0][i][1] == "long" else MOST_WIDTH
        out.append(min(most, max(longest, word) * LETTER + ROOM))
        if not number:
            texts.append(i)
    return out, texts


def _fitted(widths: Sequence[float], texts: Sequence[int], body: float) -> list[float]:
    """Widths that fill the page: numbers keep theirs, texts share what is left."""
    fixed = sum(w for i, w in enumerate(widths) if i not in texts)
    free = sum(widths) - fixed
    share = min(1.0, max(body - fixed, 0.0) / free) if free else 1.0
    out = [max(LEAST_WIDTH, w * share) if i in texts else w for i, w in enumerate(widths)]
    return [w * body / sum(out) for w in out]
