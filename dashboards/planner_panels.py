"""What stands beside the planner's map: figures of the period, of the staff, of the scenes, of the hotspots."""

# ruff: noqa: E501 (a row of a table or of controls stands on one line)

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from dashboards import planner_coverage as coverage
from dashboards import planner_density as density
from dashboards import planner_remote as remote
from dashboards import planner_rounds as rounds
from dashboards.cells import NONE, bounds, percent
from dashboards.marks import explain_address
from dashboards.planner_parts import (
    day_bars,
    decimal,
    rate_bars,
    rate_key,
    rows_of,
    table,
)
from dashboards.planner_picture import grid_places, hotspot_rows, period_words, scene_of, scenes_of, windows_in
from dashboards.shell import card, kpi
from layers.symbology import LAYERS, word

if TYPE_CHECKING:
    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.context import View
    from dashboards.planner_choice import Choice
    from gis.standard import Standard

TOP = 12


# --- figures above the map ---
def kpis(view: View, choice: Choice) -> Component:
    """The figures of the group above the map."""
    makers = {"coverage": coverage_kpis, "density": density_kpis, "remote": remote_kpis, "hotspots": hotspot_kpis}
    cards = rounds.kpis(view, choice) if rounds.asks(choice) else makers[choice.what.group](view, choice)
    return html.Div(cards, className=f"grid planner-kpis {'grid-5' if len(cards) > 4 else 'grid-4'}")  # noqa: PLR2004 (columns)


def coverage_kpis(view: View, choice: Choice) -> list[Component]:
    """Rate with its bounds and the four outcomes, with the period compared beside."""
    t = view.t
    one = coverage.total(windows_in(view, choice, choice.first), view.standard_on(choice.first[-1]))
    two = (
        coverage.total(windows_in(view, choice, choice.second), view.standard_on(choice.second[-1]))
        if choice.compare in {"side", "difference"}
        else None
    )

    def versus(text: str) -> str:
        return t("planner.versus", value=text)

    note = versus(bounds(two["rate_low"], two["rate_high"])) if two is not None else (
        t("planner.by_km") if view.standard_on(choice.first[-1]).measure.weight.value == "km" else ""
    )  # fmt: skip
    cards = [kpi(t("planner.rate"), bounds(one["rate_low"], one["rate_high"]), note=note)]
    for name, tone in (("covered", "good"), ("missed", "bad"), ("unknown", "warn"), ("excused", "")):
        km = f"{decimal(one[f'km_{name}'])} {t('planner.km')}"
        words = versus(f"{int(two[name]):,}") if two is not None else km
        cards.append(
            kpi(t(f"planner.{name}"), f"{int(one[name]):,}", unit=f"/ {int(one['windows']):,}", note=words, tone=tone)
        )
    return cards


def density_kpis(view: View, choice: Choice) -> list[Component]:
    """Inspectors of all grids together."""
    frame = density.daily_mean(view.data.results("density", choice.first))
    if not len(frame):
        return [kpi(view.t("planner.required"), NONE)]
    whole = density.by_zone(frame, view.standard_on(choice.first[-1])).iloc[-1]
    unit = view.t("planner.persons")
    cards = [
        kpi(view.t(f"planner.{n}"), decimal(whole[n], 2 if n in {"required", "present"} else 1), unit=unit)
        for n in ("required", "allocated", "on_duty", "present")
    ]
    tone = "bad" if whole["gap_within"] > 0 else "good"
    return [
        *cards,
        kpi(
            view.t("planner.gap"),
            decimal(whole["gap_within"], 2),
            unit=unit,
            note=view.t("planner.gap_note"),
            tone=tone,
        ),
    ]


def remote_kpis(view: View, choice: Choice) -> list[Component]:
    """Scenes there are, and what the one shown says."""
    day, t = choice.first[-1], view.t
    scenes = scenes_of(view, day)
    if not len(scenes):
        return [kpi(t("planner.scenes"), "0", note=t("planner.remote_none"))]
    wanted = scene_of(view, choice)
    shown = scenes[scenes["scene_id"].astype(str) == wanted].iloc[0]
    stats = _statistics(view, choice)
    return [
        kpi(t("planner.scene"), str(shown["acquired"]), note=f"{wanted} · {shown['sensor'] or ''}"),
        kpi(t("planner.ndvi_mean"), decimal(stats["mean"].mean(), 3)),
        kpi(t("planner.ndvi_share"), percent(stats["share"].mean())),
        kpi(t("planner.valid"), percent(stats["valid_share"].mean())),
    ]


def hotspot_kpis(view: View, choice: Choice) -> list[Component]:
    """Hot cells and cases of the period."""
    rows = hotspot_rows(view, choice, choice.first[-1])
    t = view.t
    if not len(rows):
        return [kpi(t("planner.hot_cells"), "0", note=t("planner.hot_none"))]
    hot = rows["hotspot"].astype(str)
    return [
        kpi(t("planner.hot_cells"), f"{int(hot.str.startswith('hot_').sum()):,}", unit=f"/ {len(rows):,}",
            note=t("planner.hot_note", starts=rows["starts"].iloc[0])),
        kpi(t("planner.cases"), f"{int(rows['cases'].sum()):,}"),
        kpi(t("planner.hot_rest"), f"{int((hot == 'none').sum()):,}"),
        kpi(t("planner.hot_few"), f"{int((hot == 'too_few').sum()):,}"),
    ]  # fmt: skip


# --- beside the map ---
def side(view: View, choice: Choice) -> list[Component]:
    """What stands beside the map for the group."""
    makers = {"coverage": coverage_side, "density": density_side, "remote": remote_side, "hotspots": hotspot_side}
    return rounds.side(view, choice) if rounds.asks(choice) else makers[choice.what.group](view, choice)


def coverage_side(view: View, choice: Choice) -> list[Component]:
    """The rate through the day and by day, and the sections missed most."""
    t, whole = view.t, _whole_day(choice)
    windows = windows_in(view, whole, choice.first)
    standard = view.standard_on(choice.first[-1])
    hours = coverage.by_hour(windows, view.zone, standard)
    bars = [(f"{int(r.hour)}", r.rate_low, r.rate_high, r.hour == choice.by_hour, f"{int(r.hour)}:00 {bounds(r.rate_low, r.rate_high)} ({int(r.windows)})")
            for r in rows_of(hours)]  # fmt: skip
    cards = [card(t("planner.hours"), rate_bars(bars), rate_key(view), note=t("planner.hours_note"))]
    if len(choice.first) > 1:
        cards.append(card(t("planner.days"), day_bars(coverage.by_day(windows, standard)), rate_key(view)))
    shown = windows_in(view, choice, choice.first)
    worst = coverage.worst_sections(shown, standard, count=TOP)
    if not len(worst):
        return [*cards, card(t("planner.worst"), html.P(t("planner.worst_none"), className="note"))]
    rows = [
        [
            html.A(r.name, href=explain_address(choice.first[-1], section=r.section_id)),
            f"{int(r.missed)} / {int(r.windows)}",
            f"{int(r.unknown)}",
            bounds(r.rate_low, r.rate_high),
        ]
        for r in rows_of(worst)
    ]
    heads = [t(f"planner.{c}") for c in ("section", "missed", "unknown", "rate")]
    return [*cards, card(t("planner.worst"), table(heads, rows, numeric=(1, 2, 3)), note=period_words(choice.first))]


def _whole_day(choice: Choice) -> Choice:
    return type(choice)(**{f: getattr(choice, f) for f in choice.__slots__ if f != "hour"})


def density_side(view: View, choice: Choice) -> list[Component]:
    """What the standard demands, the figures by zone, and where the next inspectors go."""
    t, day = view.t, choice.first[-1]
    frame = density.daily_mean(view.data.results("density", choice.first))
    demands = []
    standard = view.standard_on(day)
    for r in rows_of(density.figures(standard)):
        head = f"{t('planner.clause')} {r.clause} · {word(r.zone, view.lang)}: {t('planner.per', km2=f'{r.km2_per_person:g}')}"
        demands.append(
            html.Blockquote([html.Footer(head), html.Span(f"“{r.quote}”", lang="zh-CN")], className="clause")
        )
    cards = [card(t("planner.standard"), html.P(_density_note(view, standard), className="note"), *demands)]
    if not len(frame):
        return cards
    zones = density.by_zone(frame, standard)
    rows = [
        [t("planner.zone_all") if r.zone == "all" else word(r.zone, view.lang), decimal(r.area_km2, 2), decimal(r.required, 2), decimal(r.allocated),
         decimal(r.on_duty), decimal(r.present), decimal(r.gap_within, 2)]
        for r in rows_of(zones)
    ]  # fmt: skip
    heads = [t(f"planner.{c}") for c in ("zone", "area", "required", "allocated", "on_duty", "present", "gap")]
    zone_card = card(
        t("planner.group_density"), table(heads, rows, numeric=range(1, 7)), note=period_words(choice.first)
    )
    return [_next_card(view, choice, view.data.result("density", day)), zone_card, *cards]


def _density_note(view: View, standard: Standard) -> str:
    """How the required figure is rounded, and which count decides."""
    said = standard.density
    return view.t(f"planner.density_{said.quotient.value}") + view.t(f"planner.density_by_{said.verdict.value}")


def _next_card(view: View, choice: Choice, frame: pd.DataFrame) -> Component:
    """Where the next inspectors go and by how much the gap shrinks."""
    t = view.t
    plan = density.placed(frame, choice.count, view.standard_on(choice.first[-1]))
    title = t("planner.where_next", count=choice.count)
    if not len(plan):
        return card(title, html.P(t("planner.where_none"), className="note"))
    rows = [
        [str(r.step), r.name, word(r.zone, view.lang), f"{decimal(r.gap_before, 2)} → {decimal(r.gap_after, 2)}",
         f"{decimal(r.zone_gap_before, 2)} → {decimal(r.zone_gap_after, 2)}", decimal(-r.saving, 2)]
        for r in rows_of(plan)
    ]  # fmt: skip
    heads = [t(f"planner.{c}") for c in ("step", "grid", "zone", "grid_gap", "zone_gap", "saving")]
    note = t(
        "planner.where_note",
        before=decimal(plan["total_gap_before"].iloc[0], 2),
        after=decimal(plan["total_gap_after"].iloc[-1], 2),
    )
    return card(title, table(heads, rows, numeric=(0, 3, 4, 5)), note=note)


def _statistics(view: View, choice: Choice) -> pd.DataFrame:
    day = choice.first[-1]
    grids, _ = grid_places(view, day)
    zonal, change = view.data.result("zonal", day), view.data.result("zonal_change", day)
    return remote.grid_statistics(zonal, change, grids, scene_id=scene_of(view, choice))


def remote_side(view: View, choice: Choice) -> list[Component]:
    """Statistics of every grid, greatest change first."""
    t = view.t
    stats = _statistics(view, choice)
    if not len(stats) or stats["mean"].isna().all():
        return [card(t("planner.remote_table"), html.P(t("planner.remote_none"), className="note"))]
    rows = [
        [
            r.name or r.grid_id,
            decimal(r.mean, 3),
            percent(r.share, 0),
            decimal(r.mean_change, 3, sign=True),
            percent(r.loss_share),
            percent(r.gain_share),
            percent(r.valid_share, 0),
        ]
        for r in rows_of(stats)
    ]
    heads = [t(f"planner.{c}") for c in ("grid", "ndvi_mean", "ndvi_share", "change", "loss", "gain", "valid")]
    return [card(t("planner.remote_table"), table(heads, rows, numeric=range(1, 7)), note=scene_of(view, choice))]


def hotspot_side(view: View, choice: Choice) -> list[Component]:
    """The most significant hot cells."""
    t = view.t
    rows = hotspot_rows(view, choice, choice.first[-1])
    hot = rows[rows["hotspot"].astype(str).str.startswith("hot_")] if len(rows) else rows
    if not len(hot):
        return [card(t("planner.hot_top"), html.P(t("planner.hot_none"), className="note"))]
    hot = hot.sort_values(["gi_z", "cell_id"], ascending=[False, True], kind="stable").head(TOP)
    colours = LAYERS["hotspots"].colors()
    body = [
        [
            r.cell_id,
            html.Span(word(r.hotspot, view.lang), className="outcome", style={"--colour": colours[r.hotspot]}),
            f"{r.cases}",
            decimal(r.gi_z, 2),
            f"{r.q_value:.2g}",
            decimal(r.kde_km2),
        ]
        for r in rows_of(hot)
    ]
    heads = [t(f"planner.{c}") for c in ("cell", "verdict", "cases", "gi", "q", "density_km2")]
    return [
        card(
            t("planner.hot_top"),
            table(heads, body, numeric=range(2, 6)),
            note=t("planner.hot_note", starts=rows["starts"].iloc[0]),
        )
    ]
