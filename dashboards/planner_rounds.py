"""Beside the planner's map of work grids: rounds completed and required, hour by hour and day by day, the grids furthest behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from dash import html

from dashboards import planner_coverage as coverage
from dashboards.cells import bounds, rounds_words
from dashboards.marks import explain_address, outcome_mark
from dashboards.planner_parts import (
    bars,
    day_bars,
    decimal,
    rate_key,
    rows_of,
    table,
)
from dashboards.planner_picture import grid_places, period_words
from dashboards.shell import card, kpi
from gis.rates import OUTCOMES

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from dash.development.base_component import Component

    from dashboards.context import View
    from dashboards.planner_choice import Choice

TOP = 12
MM_PER_KM = 1e6


def asks(choice: Choice) -> bool:
    """Whether the figure chosen is of the rounds of work grids."""
    return choice.measure in {"grid_rounds", "grid_outcome"}


def judged(grid_days: pd.DataFrame, grids: pd.DataFrame, squad: str) -> pd.DataFrame:
    """Days of the grids that a rule binds, of one squad if chosen, with `name` and `lacking` (rounds known to lack)."""
    joined = grid_days.merge(grids[["grid_id", "name", "unit_id"]], on="grid_id", how="inner")
    keep = joined["outcome"].isin(OUTCOMES) & joined["required_rounds"].notna()
    if squad:
        keep &= (joined["unit_id"] == squad).fillna(value=False)
    joined = joined[keep.to_numpy(dtype=bool)].reset_index(drop=True)
    short = joined["required_rounds"].astype(np.int64) - joined["completed_rounds"].astype(np.int64)
    return joined.assign(
        lacking=short.clip(lower=0).where(joined["outcome"] == "missed", 0), length_mm=joined["patrollable_mm"]
    )


def furthest_behind(days: pd.DataFrame, *, count: int = TOP) -> pd.DataFrame:
    """Grids missed or unknown on some day: those that lack most rounds first, then by the length never visited, then by id.

    Figures are sums over those days.
    """
    behind = days[days["outcome"].isin({"missed", "unknown"})]
    if not len(behind):
        return behind.assign(required=[], done=[], possible=[])
    keys = behind.assign(possible=most_rounds(behind)).groupby("grid_id", sort=True)
    table_ = keys.agg(
        name=("name", "first"), lacking=("lacking", "sum"), required=("required_rounds", "sum"), done=("completed_rounds", "sum"),
        possible=("possible", "sum"),
        never_mm=("never_mm", "sum"), unknown=("outcome", lambda o: bool((o == "unknown").all())),
    ).reset_index()  # fmt: skip
    table_["outcome"] = np.where(table_.pop("unknown"), "unknown", "missed")
    order = ["lacking", "never_mm", "grid_id"]
    return table_.sort_values(order, ascending=[False, False, True], kind="stable", ignore_index=True).head(count)


def most_rounds(days: pd.DataFrame) -> pd.Series:
    """Rounds possible at most; those completed where an earlier version told no more."""
    if "possible_rounds" not in days:
        return days["completed_rounds"].astype(np.int64)
    return days["possible_rounds"].fillna(days["completed_rounds"]).astype(np.int64)


def by_hour(rounds: pd.DataFrame, grid_ids: set[str], days: int, zone: ZoneInfo) -> pd.Series:
    """Rounds completed in each local hour, the mean of the days: indexed by the hour, from the first to the last that has any."""
    mine = rounds[rounds["grid_id"].isin(grid_ids)] if len(rounds) else rounds
    if not len(mine):
        return pd.Series(dtype=float)
    counts = mine["completed"].dt.tz_convert(zone).dt.hour.value_counts().sort_index()
    whole = range(int(counts.index[0]), int(counts.index[-1]) + 1)
    mean: pd.Series = counts.reindex(whole, fill_value=0) / max(days, 1)
    return mean


def _days(view: View, choice: Choice, days: tuple[date, ...]) -> pd.DataFrame:
    return judged(view.data.results("grid_days", days), grid_places(view, days[-1])[0], choice.squad)


def kpis(view: View, choice: Choice) -> list[Component]:
    """Rate with its bounds, grids by outcome, rounds lacking; with the period compared beside."""
    t = view.t
    one = _days(view, choice, choice.first)
    two = _days(view, choice, choice.second) if choice.compare in {"side", "difference"} else None
    first = coverage.total(one, view.standard_on(choice.first[-1]))
    second = coverage.total(two, view.standard_on(choice.second[-1])) if two is not None else None

    def versus(text: str) -> str:
        return t("planner.versus", value=text)

    note = versus(bounds(second["rate_low"], second["rate_high"])) if second is not None else (
        t("planner.by_km") if view.standard_on(choice.first[-1]).measure.weight.value == "km" else ""
    )  # fmt: skip
    cards = [kpi(t("planner.rounds_rate"), bounds(first["rate_low"], first["rate_high"]), note=note)]
    for name, tone in (("covered", "good"), ("missed", "bad"), ("unknown", "warn")):
        words = (
            versus(f"{int(second[name]):,}")
            if second is not None
            else t("planner.grid_days")
            if len(choice.first) > 1
            else ""
        )
        cards.append(
            kpi(
                t(f"planner.rounds_{name}"),
                f"{int(first[name]):,}",
                unit=f"/ {int(first['windows']):,}",
                note=words,
                tone=tone,
            )
        )
    lacking, required = int(one["lacking"].sum()), int(one["required_rounds"].sum())
    words = versus(f"{int(two['lacking'].sum()):,}") if two is not None else t("planner.rounds_lacking_note")
    tone = "bad" if lacking else "good"
    return [*cards, kpi(t("planner.rounds_lacking"), f"{lacking:,}", unit=f"/ {required:,}", note=words, tone=tone)]


def side(view: View, choice: Choice) -> list[Component]:
    """Rounds completed through the day, the rate by day, and the grids furthest behind."""
    t = view.t
    days = _days(view, choice, choice.first)
    done = by_hour(
        view.data.results("grid_rounds", choice.first), set(days["grid_id"].astype(str)), len(choice.first), view.zone
    )
    most = max(float(done.max()) if len(done) else 0.0, 1.0)
    rows = [
        (
            f"{h}",
            decimal(n, 0 if len(choice.first) == 1 else 1),
            n / most,
            n / most,
            h == choice.by_hour,
            f"{h}:00 {decimal(n)}",
        )
        for h, n in done.items()
    ]
    body = bars(rows) if rows else html.P(t("planner.rounds_no_hours"), className="note")
    cards = [card(t("planner.rounds_hours"), body, note=t("planner.rounds_hours_note"))]
    if len(choice.first) > 1 and len(days):
        cards.append(
            card(t("planner.days"), day_bars(coverage.by_day(days, view.standard_on(choice.first[-1]))), rate_key(view))
        )
    behind = furthest_behind(days)
    if not len(behind):
        return [*cards, card(t("planner.rounds_behind"), html.P(t("planner.rounds_behind_none"), className="note"))]
    lines = [
        [
            html.A(r.name or r.grid_id, href=explain_address(choice.first[-1], grid=r.grid_id)),
            rounds_words(r.done, r.possible, r.required),
            decimal(r.never_mm / MM_PER_KM, 2),
            outcome_mark(r.outcome, view.lang),
        ]
        for r in rows_of(behind)
    ]
    heads = [t(f"planner.{c}") for c in ("grid", "rounds_done", "rounds_never", "outcome")]
    return [
        *cards,
        card(t("planner.rounds_behind"), table(heads, lines, numeric=(1, 2)), note=period_words(choice.first)),
    ]
