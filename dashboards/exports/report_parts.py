"""Parts of the PDF report: fonts that are embedded, styles, tables, rate bars and vector maps."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
import shapely
from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, Table, TableStyle

from dashboards.exports.html_map import STATIC
from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from layers.symbology import Layer

REGULAR, BOLD = "XunchaSans", "XunchaSans-Bold"
FILES = {REGULAR: "fonts/report-regular.ttf", BOLD: "fonts/report-bold.ttf"}
INK, SOFT, LINE, HEAD, BAND = "#14232f", "#51626f", "#c9d2da", "#12304a", "#f1f5f8"
WIDTH, HEIGHT = A4
MARGIN = 18 * mm
PADDING = 6  # of the page's frame
BODY = WIDTH - 2 * MARGIN - 2 * PADDING


def register_fonts() -> None:
    """Noto Sans SC in two weights, which the PDF embeds as far as it is used; the machine needs no font.

    Raises:
        SettingsError: the pages' assets have not been built.
    """
    known = set(pdfmetrics.getRegisteredFontNames())
    if known.issuperset(FILES):
        return
    manifest = STATIC / "manifest.json"
    names = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    if not names.keys() >= set(FILES.values()):
        raise SettingsError(
            Fault(
                "report.fonts",
                "报告的字体尚未构建",
                "the report's fonts have not been built",
                "运行 ./run setup（或 python -m dashboards.build）",
                "run ./run setup (or python -m dashboards.build)",
            )
        )
    for name, file in FILES.items():
        pdfmetrics.registerFont(TTFont(name, str(STATIC / names[file])))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


def style(size: float, *, bold: bool = False, color: str = INK, **more: Any) -> ParagraphStyle:
    """A paragraph's style; lines may break between any two Chinese characters."""
    extra = {"leading": size * 1.5, "wordWrap": "CJK", "bulletFontName": REGULAR, **more}
    return ParagraphStyle(
        f"s{size}{bold}", fontName=BOLD if bold else REGULAR, fontSize=size, textColor=HexColor(color), **extra
    )


LONGEST_WORD = 24


def text(words: str, look: ParagraphStyle) -> Paragraph:
    """Plain words as a paragraph: names come from files, so nothing in them is markup. Latin words break at spaces, hashes anywhere."""
    if words.isascii() and max(map(len, words.split()), default=0) <= LONGEST_WORD:
        look = look.clone(f"{look.name}-latin", wordWrap=None)
    return Paragraph(escape(words), look)


class Heading(Flowable):  # type: ignore[misc]
    """A chapter's or section's heading that also stands in the PDF's outline."""

    def __init__(self, words: str, *, level: int = 0) -> None:
        super().__init__()
        self.words, self.level = words, level
        self.size = (17, 12)[level]
        self.keepWithNext = 1

    def wrap(self, available_width: float, _available_height: float) -> tuple[float, float]:
        """Its size."""
        self.width = available_width
        return available_width, self.size * 2.3

    def draw(self) -> None:
        """Words, and under a chapter's a rule."""
        c = self.canv
        key = f"h-{self.words}"
        c.bookmarkPage(key)
        c.addOutlineEntry(self.words, key, level=self.level, closed=False)
        c.setFillColor(HexColor(HEAD))
        c.setFont(BOLD, self.size)
        c.drawString(0, self.size * (0.95 if self.level == 0 else 0.62), self.words)
        if self.level == 0:
            c.setStrokeColor(HexColor("#0072b2"))
            c.setLineWidth(1.6)
            c.line(0, self.size * 0.45, self.width, self.size * 0.45)


class RateBar(Flowable):  # type: ignore[misc]
    """The two bounds of a rate as a bar: sure to the lower, hatched to the upper."""

    def __init__(self, low: float, high: float, *, width: float = 52, height: float = 6.5) -> None:
        super().__init__()
        self.low, self.high, self.width, self.height = low, high, width, height

    def draw(self) -> None:
        """The bar."""
        c = self.canv
        if math.isnan(self.low):
            return
        c.setLineWidth(0)
        for share, color in ((1.0, "#f0c9cb"), (self.high, "#dba8c4"), (self.low, "#0072b2")):
            c.setFillColor(HexColor(color))
            c.rect(0, 0, self.width * share, self.height, stroke=0, fill=1)


def data_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Any]],
    widths: Sequence[float],
    *,
    right: Sequence[int] = (),
    marks: Sequence[tuple[int, int, str]] = (),
    width: float = BODY,
    size: float = 8.2,
    points: bool = False,
) -> Table:
    """A table that repeats its heading on each page; strings become paragraphs, flowables stay.

    Args:
        heads: headings.
        rows: cells.
        widths: shares of the page's width.
        right: columns that hold numbers.
        marks: (row, column, colour) of cells with a coloured edge.
        width: of the whole table, points.
        size: of the letters, points.
        points: `widths` are points instead of shares, and numbers stay on one line.
    """
    cell, number = style(size), style(size, alignment=TA_RIGHT)
    head = style(size * 0.93, bold=True, color="#ffffff", leading=size * 1.22)
    head_right = style(size * 0.93, bold=True, color="#ffffff", leading=size * 1.22, alignment=TA_RIGHT)
    body = [[text(h, head_right if i in right else head) for i, h in enumerate(heads)]]
    bare = set(right) if points else set()
    body += [
        [v if isinstance(v, Flowable) or i in bare else text(str(v), number if i in right else cell) for i, v in enumerate(row)]
        for row in rows
    ]  # fmt: skip
    look = [
        ("FONTNAME", (0, 0), (-1, -1), REGULAR),
        ("BACKGROUND", (0, 0), (-1, 0), HexColor(HEAD)),
        ("ROWBACKGROUNDS", (0, 1), (-1, -1), [white, HexColor(BAND)]),
        ("LINEBELOW", (0, 0), (-1, -1), 0.35, HexColor(LINE)),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 2.6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.2),
        ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
    look += [("ALIGN", (i, 1), (i, -1), "RIGHT") for i in sorted(bare)]
    look += [("FONTSIZE", (0, 0), (-1, -1), size), ("TEXTCOLOR", (0, 1), (-1, -1), HexColor(INK))] if points else []
    look += [("LINEBEFORE", (c, r + 1), (c, r + 1), 3.2, HexColor(color)) for r, c, color in marks]
    total = width if points else sum(widths)
    return Table(
        body, colWidths=[width * w / total for w in widths], repeatRows=1, style=TableStyle(look), hAlign="LEFT"
    )


class VectorMap(Flowable):  # type: ignore[misc]
    """Lines or areas coloured by their class, worst on top, with a scale; drawn as vectors."""

    def __init__(
        self, layer: Layer, shapes: Any, values: pd.Series, *, height: float, backdrop: Any = None, bounds: Any = None,
        width: float = BODY,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layer, self.height, self.width = layer, height, width
        self.classes = layer.classify(values)
        self.shapes = np.asarray(shapes, dtype=object)
        self.bounds = shapely.total_bounds(self.shapes) if bounds is None else bounds
        self.backdrop = None if backdrop is None else np.asarray(backdrop, dtype=object)

    def draw(self) -> None:
        """The map inside a thin frame."""
        c = self.canv
        c.saveState()
        c.setFillColor(HexColor("#f7f9fa"))
        c.setStrokeColor(HexColor(LINE))
        c.setLineWidth(0.6)
        c.rect(0, 0, self.width, self.height, stroke=1, fill=1)
        clip = c.beginPath()
        clip.rect(0, 0, self.width, self.height)
        c.clipPath(clip, stroke=0, fill=0)
        to_page, points_of_metre = self._projection()
        if self.backdrop is not None:
            c.setStrokeColor(HexColor("#b3bfc9"))
            c.setLineWidth(0.5)
            self._path(c, self.backdrop, to_page, fill=False)
        order = [k.key for k in self.layer.legend_classes()]
        drawn = ["no_value", "no_rule", "excused", "open", "covered", "unknown", "partly", "missed"]
        for key in [*(k for k in drawn if k in order), *(k for k in order if k not in drawn)]:
            chosen = self.shapes[self.classes == key]
            if len(chosen):
                self._class(c, chosen, self.layer.colors()[key], to_page, quiet=key in {"no_rule", "no_value"})
        self._scale(c, points_of_metre)
        c.restoreState()

    def _projection(self) -> tuple[Any, float]:
        """From degrees to points of the page: equirectangular about the middle, and points a metre."""
        west, south, east, north = self.bounds
        cosine = math.cos(math.radians((south + north) / 2))
        spread_x, spread_y = max((east - west) * cosine, 1e-6), max(north - south, 1e-6)
        room = 12.0
        scale = min((self.width - 2 * room) / spread_x, (self.height - 2 * room) / spread_y)
        left = (self.width - spread_x * scale) / 2
        low = (self.height - spread_y * scale) / 2

        def to_page(xy: Any) -> Any:
            return np.column_stack([left + (xy[:, 0] - west) * cosine * scale, low + (xy[:, 1] - south) * scale]).round(
                2
            )

        return to_page, scale / 111_320.0

    def _class(self, c: Canvas, shapes: Any, color: str, to_page: Any, *, quiet: bool) -> None:
        if self.layer.shape == "line":
            c.setStrokeColor(HexColor(color))
            c.setLineWidth(0.45 if quiet else 1.1)
            c.setLineCap(1)
            self._path(c, shapes, to_page, fill=False)
        else:
            c.setFillColor(HexColor(color), alpha=0.75)
            c.setStrokeColor(white)
            c.setLineWidth(0.7)
            self._path(c, shapes, to_page, fill=True)
            c.setFillAlpha(1)

    @staticmethod
    def _path(c: Canvas, shapes: Any, to_page: Any, *, fill: bool) -> None:
        path = c.beginPath()
        parts = shapely.get_parts(shapes)
        if fill or (len(parts) and shapely.get_type_id(parts[0]) == 3):  # noqa: PLR2004 (polygon)
            parts = shapely.get_rings(parts)
        for part in parts:
            points = to_page(shapely.get_coordinates(part))
            if len(points) < 2:  # noqa: PLR2004 (a line has two ends)
                continue
            path.moveTo(*points[0].tolist())
            for x, y in points[1:].tolist():
                path.lineTo(x, y)
            if fill:
                path.close()
        c.drawPath(path, stroke=1, fill=int(fill), fillMode=0)

    def _scale(self, c: Canvas, points_of_metre: float) -> None:
        target = self.width / 6 / points_of_metre
        step = 10 ** math.floor(math.log10(max(target, 1)))
        length = next(step * k for k in (5, 2, 1) if step * k <= max(target, 1))
        size = length * points_of_metre
        c.setStrokeColor(HexColor(INK))
        c.setFillColor(HexColor(INK))
        c.setLineWidth(1.2)
        c.line(10, 10, 10 + size, 10)
        c.setFont(REGULAR, 7)
        c.drawString(10, 13.5, f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m")  # noqa: PLR2004


class Swatch(Flowable):  # type: ignore[misc]
    """A legend's colour."""

    def __init__(self, color: str) -> None:
        super().__init__()
        self.color, self.width, self.height = color, 16, 7

    def draw(self) -> None:
        """The colour."""
        self.canv.setFillColor(HexColor(self.color))
        self.canv.rect(0, 0, self.width, self.height, stroke=0, fill=1)


def numbered(foot: str, page_words: str, *, width: float = WIDTH, first: int = 2) -> type[Canvas]:
    """A canvas of pages of a width that writes the footer once the number of pages is known, from page `first` on (a cover has none)."""

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "initialFontName": REGULAR})
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 (reportlab's name)
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, state in enumerate(self._pages, start=1):
                self.__dict__.update(state)
                if number >= first:
                    self.setFont(REGULAR, 7.6)
                    self.setFillColor(HexColor(SOFT))
                    self.drawString(MARGIN, 10 * mm, foot)
                    self.drawRightString(
                        width - MARGIN, 10 * mm, page_words.format(page=number, pages=len(self._pages))
                    )
                super().showPage()
            super().save()

    return Numbered
