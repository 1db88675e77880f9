"""What lies behind one place on the planner's map: its figures, its windows, the clause and its sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from dashboards import planner_remote as remote
from dashboards.cells import bounds, percent, rounds_words
from dashboards.marks import explain_address, outcome_mark
from dashboards.planner_parts import clause_of, decimal, table
from dashboards.planner_picture import grid_places, hotspot_rows, scene_of, windows_in
from dashboards.scoped_source import run_data
from dashboards.sentences import missing_words
from dashboards.shell import card
from layers.symbology import word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.context import View
    from dashboards.planner_choice import Choice

WINDOWS_SHOWN = 24
KM = 1e6


def facts(rows: Sequence[tuple[str, Any]]) -> Component:
    """Pairs of what and how much."""
    return html.Dl([part for name, value in rows for part in (html.Dt(name), html.Dd(value))], className="facts")


def detail(view: View, choice: Choice, click: Mapping[str, Any]) -> Component:
    """The panel of a clicked place."""
    layer_id, key = str(click["layer"]).removeprefix("under-"), str(click["id"])
    makers = {"roads": road, "grids": grid, "next": grid, "surface": cell_of_surface, "cells": cell_of_cases}
    found = makers[layer_id](view, choice, key) if layer_id in makers else None
    if found is None:
        return card(view.t("planner.detail"), html.P(view.t("planner.detail_gone"), className="note"))
    return found


def _row(frame: pd.DataFrame, column: str, key: str) -> pd.Series | None:
    rows = frame[frame[column].astype(str) == key] if len(frame) else frame
    return rows.iloc[0] if len(rows) else None


def _named(view: View, table_name: str, column: str, key: object, choice: Choice) -> str:
    if not isinstance(key, str) or not key:
        return "–"
    row = _row(view.data.read(table_name, choice.first[-1]), column, key)
    return key if row is None else str(row["name"])


def _town(view: View, key: object, choice: Choice) -> str:
    """A town's name, by the roster or by its area."""
    if not isinstance(key, str) or not key:
        return "–"
    return run_data(view, choice.first[-1]).town_names().get(key, key)


def road(view: View, choice: Choice, key: str) -> Component | None:
    """A segment: its section's windows in the period, gaps of its own, the clause."""
    t, day = view.t, choice.first[-1]
    segment = _row(view.data.read("segments", day), "segment_id", key)
    if segment is None:
        return None
    section = _row(view.data.read("sections", day), "section_id", str(segment["section_id"]))
    days = view.data.results("segment_days", choice.first)
    own = days[days["segment_id"] == key] if len(days) else days
    rows = [
        (t("planner.road"), f"{segment['road_name'] or '–'} · {word(segment['policy_class'], view.lang)}"),
        (
            t("planner.squad"),
            _named(view, "units", "unit_id", section["unit_id"] if section is not None else None, choice),
        ),
        (t("planner.town"), _town(view, segment["town_id"], choice)),
        (
            t("planner.length"),
            f"{(section['length_mm'] if section is not None else segment['length_mm']) / KM:,.2f} km",
        ),
    ]
    if len(own):
        rows.append((t("planner.passes"), f"{int(own['passes'].sum()):,}"))
        if own["longest_gap_s"].notna().any():
            longest = t("planner.minutes", value=decimal(own["longest_gap_s"].max() / 60, 0))
            rows += [(t("planner.longest"), longest), (t("planner.within"), percent(own["within_share"].mean()))]
    title = str(section["name"]) if section is not None else key
    if segment["policy_class"] == "no_rule":
        reason = "out_of_scope" if segment["no_rule_reason"] == "out_of_scope" else "class"
        return card(title, facts(rows), html.P(t(f"planner.no_rule_{reason}"), className="alert"))
    windows = windows_in(view, choice, choice.first)
    windows = windows[windows["section_id"] == segment["section_id"]]
    clause = clause_of(view, choice.first[-1], segment["rule_id"])
    link = html.A(
        t("planner.explain"),
        href=explain_address(day, section=segment["section_id"]),
        className="button small primary",
    )
    return card(
        title,
        facts([*rows, *_rates(view, choice.first[-1], windows)]),
        _window_table(view, windows),
        *([clause] if clause else []),
        html.P(link),
    )


def _rates(view: View, day: date, windows: pd.DataFrame) -> list[tuple[str, Any]]:
    """Rate and counts of some windows."""
    from dashboards.planner_coverage import total  # noqa: PLC0415

    if not len(windows):
        return []
    sums = total(windows, view.standard_on(day))
    counts = " · ".join(f"{view.t(f'planner.{n}')} {int(sums[n])}" for n in ("covered", "missed", "unknown", "excused"))
    return [
        (view.t("planner.rate"), bounds(sums["rate_low"], sums["rate_high"])),
        (view.t("planner.windows"), f"{int(sums['windows'])}: {counts}"),
    ]


def _window_table(view: View, windows: pd.DataFrame) -> Component:
    t = view.t
    shown = windows.sort_values(["starts"], kind="stable").head(WINDOWS_SHOWN)
    rows = []
    for w in shown.to_dict("records"):
        low, high = view.local(w["starts"].to_pydatetime()), view.local(w["ends"].to_pydatetime())
        missing = missing_words(w["missing"], view.lang)
        rows.append(
            [
                html.A(
                    f"{low:%m-%d %H:%M}–{high:%H:%M}",
                    href=explain_address(w["day"], section=w["section_id"], rule=w["rule_id"], window=w["window_ix"]),
                ),
                outcome_mark(str(w["outcome"]), view.lang),
                percent(w["covered_share"], 0),
                missing,
            ]
        )
    caption = t("planner.more", n=len(windows), shown=len(shown)) if len(windows) > len(shown) else ""
    heads = [t(f"planner.{c}") for c in ("time", "outcome", "share", "missing")]
    return table(heads, rows, numeric=(2,), caption=caption)


def grid(view: View, choice: Choice, key: str) -> Component | None:
    """A work grid: rounds, inspectors, what satellites say, the clauses."""
    t, day = view.t, choice.first[-1]
    places, _ = grid_places(view, day)
    place = _row(places, "grid_id", key)
    if place is None:
        return None
    rows: list[tuple[str, Any]] = [
        (t("planner.squad"), _named(view, "units", "unit_id", place["unit_id"], choice)),
        (t("planner.town"), _town(view, place["town_id"], choice)),
    ]
    staff = view.data.result("density", day)
    staffed = (
        _row(staff[staff["area_id"].astype(str) == key], "level", "work_grid" if place["level"] else "town")
        if len(staff)
        else None
    )
    rules: list[object] = []
    if staffed is not None:
        figures = [
            f"{t(f'planner.{c}')} {decimal(staffed[c], 2)}" for c in ("required", "allocated", "on_duty", "present")
        ]
        rows += [
            (t("planner.zone"), f"{word(staffed['zone'], view.lang)} · {decimal(staffed['area_km2'], 3)} km²"),
            (t("planner.group_density"), " · ".join(figures)),
            (t("planner.gap"), f"{decimal(staffed['gap'], 2)} ({word(staffed['verdict'], view.lang)})"),
        ]
        rules += [k for k, r in view.standard_on(day).density_rules().items() if r.zone == staffed["zone"]]
    days = view.data.results("grid_days", choice.first)
    own = days[days["grid_id"] == key] if len(days) else days
    judged = own["rule_id"].dropna().unique()[:1].tolist() if len(own) else []
    stats = remote.grid_statistics(
        view.data.result("zonal", day), view.data.result("zonal_change", day), places, scene_id=scene_of(view, choice)
    )
    seen = _row(stats, "grid_id", key)
    if seen is not None and seen["mean"] == seen["mean"]:
        rows.append(
            (
                t("planner.ndvi_mean"),
                f"{decimal(seen['mean'], 3)} · {t('planner.change')} {decimal(seen['mean_change'], 3, sign=True)}",
            )
        )
    rules = [*judged, *rules] if choice.what.group == "coverage" else [*rules, *judged]
    clauses = [c for c in (clause_of(view, day, r) for r in rules) if c is not None]
    link = html.A(t("planner.explain"), href=explain_address(day, grid=key), className="button small primary")
    return card(
        str(place["name"] or key),
        facts(rows),
        *([_round_table(view, own)] if len(own) else []),
        *clauses,
        html.P(link),
        note=key,
    )


def _round_table(view: View, own: pd.DataFrame) -> Component:
    t = view.t
    rows = [
        [str(g["day"]), outcome_mark(str(g["outcome"]), view.lang),
         rounds_words(g["completed_rounds"], g.get("possible_rounds"), g["required_rounds"]),
         f"{g['visited_mm'] / KM:,.1f} / {g['patrollable_mm'] / KM:,.1f} km", f"{g['never_mm'] / KM:,.2f} km"]
        for g in own.to_dict("records")
    ]  # fmt: skip
    heads = [t(f"planner.{c}") for c in ("day", "outcome", "rounds", "visited", "never")]
    missing = [(str(g["day"]), missing_words(g.get("missing"), view.lang)) for g in own.to_dict("records")]
    notes = [html.P(f"{day} · {words}" if len(own) > 1 else words, className="note") for day, words in missing if words]
    return html.Div([table(heads, rows, numeric=(2, 3, 4)), *notes])


def cell_of_surface(view: View, choice: Choice, key: str) -> Component | None:
    """A cell of the density surface."""
    t = view.t
    cell = _row(view.data.result("density_surface", choice.first[-1]), "cell_id", key)
    if cell is None:
        return None
    rows = [
        (t(f"planner.{c}"), f"{decimal(cell[f'{c}_km2'], 2)} /km²") for c in ("required", "allocated", "present", "gap")
    ]
    day = choice.first[-1]
    clauses = [c for c in (clause_of(view, day, k) for k in view.standard_on(day).density_rules()) if c is not None]
    return card(f"{t('planner.cell')} {key}", facts(rows), *clauses)


def cell_of_cases(view: View, choice: Choice, key: str) -> Component | None:
    """A cell of the hotspots."""
    t = view.t
    cell = _row(hotspot_rows(view, choice, choice.first[-1]), "cell_id", key)
    if cell is None:
        return None
    rows = [
        (t("planner.verdict"), word(cell["hotspot"], view.lang)),
        (t("planner.cases"), f"{int(cell['cases'])}"),
        (t("planner.gi"), decimal(cell["gi_z"], 2)),
        (t("planner.q"), decimal(cell["q_value"], 4)),
        (t("planner.density_km2"), decimal(cell["kde_km2"], 2)),
    ]
    return card(
        f"{t('planner.cell')} {key}",
        facts(rows),
        note=f"{word(choice.period, view.lang)} · {cell['starts']} · {cell['category']}",
    )
