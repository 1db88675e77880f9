"""The manager's table and totals for one visitor: pages and exports both come from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards.cells import bounds
from dashboards.desk_manager import LEVELS, audit_table, path_names, totals
from dashboards.exports.shown import Shown, with_places
from dashboards.i18n import place_name
from dashboards.scoped_source import windows_of
from dashboards.shell import scope_name
from layers.symbology import word

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from dashboards.context import View
    from dashboards.desk_manager import Choice
    from dashboards.views import View as Table

PLACES = {
    "roads": ("sections", "section_id"),
    "rounds": ("work_grids", "grid_id"),
    "community": ("community_grids", "grid_id"),
}


def table_of(view: View, day: date, choice: Choice) -> Table:
    """The table of a choice as this visitor may see it."""

    def make() -> Table:
        grids = view.data.read("work_grids", day)
        names = dict(zip(grids["grid_id"].astype(str), grids["name"].fillna("").astype(str), strict=True))
        return audit_table(
            windows_of(view, choice.kind, day), choice, view.standard_on(day), names=names, lang=view.lang
        )

    run = view.data.run(day)
    asked = tuple(sorted(choice.query().items()))
    key = ("audit-table", run.run_id if run else str(day), view.data.edition_id("work_grids", day), asked, view.lang)
    return view.data.remember(key, make, lambda table: 1000 + 800 * len(table.frame))


def figures_of(view: View, day: date, choice: Choice) -> dict[str, Any]:
    """The totals of a choice on a day, remembered: the trend asks for those of many days."""
    run = view.data.run(day)
    if run is None:
        return {"entitled": None, "responsible": None}
    key = ("audit-totals", run.run_id, choice.kind, choice.rule, tuple(sorted(choice.path.items())))
    return view.data.remember(
        key, lambda: totals(windows_of(view, choice.kind, day), choice, view.standard_on(day)), lambda _: 4000
    )


def shown_table(view: View, day: date, choice: Choice) -> Shown:
    """The table with its places and the words that say what it is, for files."""
    table, key = PLACES[choice.kind]
    places = view.data.read(table, day)
    shapes = dict(zip(places[key].astype(str), places["geometry"], strict=True)) if len(places) else {}
    base = windows_of(view, choice.kind, day)
    shown = with_places(table_of(view, day, choice), base, choice, shapes)
    title = f"{place_name(view.city, view.lang)} {day} {shown.title(view.lang)}"
    words = choice_words(view, day, choice, base, len(shown.frame))
    return Shown(
        shown, title, words, figure_words(view, day, choice), view.lang, view.settings.time_zone, _around(shapes)
    )


def _around(shapes: dict[str, Any]) -> Any:
    """All shapes of a kind as an array."""
    return np.array([s for s in shapes.values() if s is not None], dtype=object)


def choice_words(view: View, day: date, choice: Choice, base: pd.DataFrame, count: int) -> list[tuple[str, str]]:
    """What was chosen, label and value."""
    t, run = view.t, view.data.run(day)
    level = LEVELS[choice.level]
    words = [
        (t("manager.run"), f"{day} · {run.run_id[:12] if run else '—'}"),
        (t("manager.standard"), f"{run.standard_id} {run.standard_version}" if run else "—"),
        (t("manager.kind"), f"{t(f'manager.kind_{choice.kind}')} · {t.pick(level.zh, level.en)}"),
        (t("manager.scope"), scope_name(view)),
    ]
    path = [
        t("manager.step", level=t.pick(LEVELS[k].zh, LEVELS[k].en), name=name)
        for k, name in path_names(base, choice, view.lang).items()
    ]
    rule = view.standard_on(day).rules.get(choice.rule)
    asked = (
        (t("manager.crumbs"), " › ".join(path)),
        (t("manager.rule"), t.pick(rule.zh, rule.en) if rule else choice.rule),
        (t("manager.outcome"), t(f"manager.{choice.outcome}") if choice.outcome else ""),
        (t("manager.named"), _named_words(view, choice.named)),
        (t("manager.find"), choice.find),
        (t("manager.sorted"), _sorting(view, day, choice)),
        (t("manager.row_count"), f"{count:,}"),
    )
    return [*words, *((k, v) for k, v in asked if v)]


def _named_words(view: View, named: str) -> str:
    return view.t("manager.unnamed") if named == "unnamed" else word(named, view.lang)


def _sorting(view: View, day: date, choice: Choice) -> str:
    """The column by which rows stand, with the direction."""
    column = next((c for c in table_of(view, day, choice).columns if c.name == choice.sort), None)
    if column is None:
        return view.t("manager.sorted_default" if choice.level != "window" else "manager.sorted_time")
    return f"{view.t.pick(column.zh, column.en)} {'↓' if choice.down else '↑'}"


def figure_words(view: View, day: date, choice: Choice) -> list[tuple[str, str]]:
    """The totals as the page's tiles show them, label and value."""
    t, figures = view.t, figures_of(view, day, choice)
    row = figures["entitled"]
    if row is None:
        return []
    counts = [(t(f"manager.{n}"), f"{int(row[n]):,}") for n in ("windows", "covered", "missed", "unknown", "excused")]
    own = figures["responsible"]
    mine = (
        [(t("manager.responsible"), bounds(own["rate_low"], own["rate_high"]))]
        if own and choice.kind == "roads"
        else []
    )
    return [(t("manager.rate"), bounds(row["rate_low"], row["rate_high"])), *counts, *mine]
