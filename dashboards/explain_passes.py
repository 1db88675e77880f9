"""Passes on the pages of evidence: what the audit made of each, as a table, in numbers and on the map; the same for every role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dash import html

from dashboards.cells import percent
from dashboards.desk_explain import pass_lines, with_persons
from dashboards.geometry import encode
from dashboards.maps import class_style, full_codes, layer
from dashboards.row_table import Cell, Head, RowTable
from dashboards.scope_passes import Asked, speed_kmh
from dashboards.shell import card
from dashboards.stored_passes import counting_of
from gis.pass_accounts import Why
from layers.symbology import word

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.context import View
    from dashboards.scope_passes import JudgedPasses

COUNTED, NOT_COUNTED = "#0072b2", "#e69f00"
MOST_PASSES = 1000  # in a table; what is left out is said
REASONS = (
    Why.NO_RULE,
    Why.NOBODY,
    Why.ROLE,
    Why.OUTSIDE,
    Why.TOO_FAST,
    Why.INFERRED,
)  # in this order; off duty is not shown
TEXTS = frozenset({"segment", "role", "device", "person", "counts", "seen"})


def section_passes(
    view: View, day: date, section_id: str, window_ix: int | None, span: tuple[int | None, int | None]
) -> JudgedPasses:
    """Passes of a section in a window (None: in any of the day's)."""
    asked = Asked(sections=(section_id,), window_ix=window_ix)
    return _asked(view, day, asked, span, section_id)


def grid_passes(
    view: View, day: date, segments: pd.DataFrame, rule_id: Any, span: tuple[int | None, int | None]
) -> JudgedPasses:
    """Passes on the streets of a work grid or a community grid, under a rule of its own that counts passes of any hour."""
    rule: Any = view.standard_on(day).rules.get(str(rule_id))
    ids = frozenset(segments["segment_id"].astype(str))
    return _asked(view, day, Asked(segments=ids, roles=tuple(getattr(rule, "roles", ()))), span, str(rule_id))


def _asked(view: View, day: date, asked: Asked, span: tuple[int | None, int | None], what: str) -> JudgedPasses:
    return view.data.judged_passes(
        day, counting_of(view, day), asked, from_ms=span[0], to_ms=span[1], purpose=f"explain {what}"
    )


def why_words(view: View, why: int, *, in_part: bool) -> str:
    """Why a pass does not count, every reason; or that it does."""
    if not why:
        return view.t("explain.counts_part" if in_part else "explain.counts")
    return "、".join(view.t(f"explain.why_{str(r.name).lower()}") for r in REASONS if why & r)


def role_words(view: View, roles: str) -> str:
    """Roles as people read them."""
    return "、".join(word(r, view.lang) for r in roles.split(";") if r) or "—"


def passes_part(view: View, day: date, found: JudgedPasses) -> Component:
    """Passes as a table below their number, what of them counted, and why the others did not."""
    t, rows, sees = view.t, found.rows, view.principal.sees_tracks
    off = [html.P(t("explain.passes_off_duty", n=f"{found.off_duty:,}"), className="note")] if found.off_duty else []
    if not len(rows):
        return card(t("explain.passes"), html.P(t("explain.passes_none"), className="note"), *off)
    if sees:
        people = view.data.read("persons", day)
        names = dict(zip(people["person_id"].astype(str), people["name"].astype(str), strict=True))
        rows = with_persons(rows, view.data.duty(day), names)
    counted = int((rows["why"] == 0).sum())
    parts: list[Any] = []
    if counted < len(rows):
        parts.append(html.P(_reasons(view, rows), className="note"))
    parts += [_table(view, day, rows.head(MOST_PASSES)), *off]
    if len(rows) > MOST_PASSES:
        parts.append(html.P(t("explain.passes_more", shown=f"{MOST_PASSES:,}", n=f"{len(rows):,}"), className="note"))
    if not sees:
        parts.append(html.P(t("explain.no_tracks"), className="note"))
    return card(t("explain.passes"), *parts, note=t("explain.passes_note", n=f"{len(rows):,}", counted=f"{counted:,}"))


def _reasons(view: View, rows: pd.DataFrame) -> str:
    """How many passes do not count for each reason; one with two reasons stands under both."""
    why = rows["why"].to_numpy(dtype=np.int64)
    counts = [(r, int(((why & int(r)) > 0).sum())) for r in REASONS]
    said = [
        view.t("explain.why_count", why=view.t(f"explain.why_{str(r.name).lower()}"), n=f"{n:,}")
        for r, n in counts
        if n
    ]
    return view.t("explain.why_not", reasons=view.t("explain.why_join").join(said))


def _table(view: View, day: date, rows: pd.DataFrame) -> Component:
    t, sees = view.t, "device_id" in rows
    names = [
        "segment",
        "from",
        "to",
        "enter",
        "leave",
        "speed",
        "role",
        *(["device", "person"] if sees else []),
        "counts",
        "confidence",
        "seen",
    ]
    heads = [Head(text=t(f"explain.p_{n}"), look="" if n in TEXTS else "num") for n in names]
    segments = view.data.read("segments", day)
    roads = dict(zip(segments["segment_id"].astype(str), segments["road_name"].fillna("").astype(str), strict=True))
    speeds = speed_kmh(rows)
    body = [_row(view, r, roads, speed) for r, speed in zip(rows.to_dict("records"), speeds.tolist(), strict=True)]
    return RowTable(
        id="explain-passes", caption=t("explain.passes"), heads=heads, rows=body, className="audit-table explain-passes"
    )


def _row(view: View, row: dict[Any, Any], roads: dict[str, str], speed: float) -> list[Cell]:
    t = view.t
    name = " ".join(x for x in (roads.get(str(row["segment_id"]), ""), str(row["segment_id"])) if x)
    numbers = [f"{row['from_mm'] / 1000:,.0f}", f"{row['to_mm'] / 1000:,.0f}"]
    times = [f"{view.local(row[k]):%H:%M:%S}" for k in ("enter_ms", "leave_ms")]
    kmh = f"{speed:.1f}" if speed == speed else "—"  # noqa: PLR0124 (NaN: no time passed)
    counts = Cell(
        text=why_words(view, int(row["why"]), in_part=bool(row["in_part"])), look="text",
        colour=NOT_COUNTED if row["why"] else COUNTED,
    )  # fmt: skip
    who = (
        [Cell(text=str(row["device_id"]), look=""), Cell(text=row["person"] or "—", look="")]
        if "device_id" in row
        else []
    )
    return [
        Cell(text=name, look="text"), *(Cell(text=x, look="num") for x in (*numbers, *times, kmh)),
        Cell(text=role_words(view, str(row["roles"])), look=""), *who, counts,
        Cell(text=percent(row["confidence"]), look="num"), Cell(text=t("explain.seen" if row["seen"] else "explain.inferred"), look=""),
    ]  # fmt: skip


def pass_layer(
    view: View, rows: pd.DataFrame, segments: pd.DataFrame
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Passes as lines, those that count above the others; and their colours."""
    t = view.t
    lines = pass_lines(rows, segments) if len(rows) else []
    why = rows["why"].to_numpy(dtype=np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
    kept = np.array([i for i, line in enumerate(lines) if line is not None and not line.is_empty], dtype=np.int64)
    if not len(kept):
        return [], []
    kept = kept[np.argsort(why[kept] == 0, kind="stable")]
    titles = [
        f"{view.local(m):%H:%M:%S} {why_words(view, int(w), in_part=bool(p))}"
        for m, w, p in zip(rows["enter_ms"].to_numpy()[kept], why[kept], rows["in_part"].to_numpy()[kept], strict=True)
    ]
    style = class_style(
        [
            {"code": 0, "colour": COUNTED, "label": t("explain.map_counted")},
            {"code": 1, "colour": NOT_COUNTED, "label": t("explain.map_not_counted")},
        ]
    )
    payload = encode([lines[i] for i in kept.tolist()], [str(i) for i in kept.tolist()], titles=titles)
    made = layer("passes", "line", t("explain.map_passes"), style, width=3.0, payload=payload)
    return [made], [full_codes("passes", np.where(why[kept] == 0, 0, 1))]
