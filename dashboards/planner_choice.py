"""What a planner has chosen to see: measure, periods, hour, class, squad; and the measures that there are."""

# ruff: noqa: E501 (a measure stands on a line or two, its words whole)

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from layers.symbology import BLUE_TO_RED, LAYERS, ORANGE_TO_PURPLE, YELLOW_TO_BLUE, Layer, LegendClass, unit_in_english

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

Group = Literal["coverage", "density", "remote", "hotspots"]
Compare = Literal["none", "side", "difference", "under"]
GROUPS: tuple[Group, ...] = get_args(Group)
COMPARES: tuple[Compare, ...] = get_args(Compare)
CLASSES = ("main", "secondary", "branch")
HOURS = range(24)
PURPLE_TO_ORANGE = tuple(reversed(ORANGE_TO_PURPLE))
SAME, BETTER, WORSE = "#f7f7f7", ORANGE_TO_PURPLE[-1], ORANGE_TO_PURPLE[0]


def steps(
    bounds: Sequence[float], colours: Sequence[str], *, unit: str = "", percent: bool = False, sign: bool = False
) -> tuple[LegendClass, ...]:
    """Legend classes below the first bound, between bounds and from the last bound on (`percent`: bounds are shares; `sign`: written with it)."""
    tail = f" {unit}" if unit else ""

    def words(value: float) -> str:
        return f"{value:{'+' if sign else ''}.0%}" if percent else f"{value:{'+' if sign else ''}g}"

    out = []
    for k, colour in enumerate(colours):
        lower = bounds[k - 1] if k else None
        upper = bounds[k] if k < len(bounds) else None
        if lower is None:
            text = f"< {words(bounds[0])}{tail}"
        elif upper is None:
            text = f"≥ {words(lower)}{tail}"
        else:
            text = f"{words(lower)} … {words(upper)}{tail}"
        out.append(LegendClass(f"c{k}", text, unit_in_english(text, unit), colour, lower, upper))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that the map can show.

    Attributes:
        layer: symbology: title, legend, table and column of the figures, table of the places.
        change: symbology of the difference between two periods, None where there is none.
        by_hour: whether single hours of the day can be asked for.
    """

    id: str
    group: Group
    layer: Layer
    change: Layer | None = None
    by_hour: bool = False


def _change(base: Layer, zh: str, en: str, classes: tuple[LegendClass, ...]) -> Layer:
    return replace(base, id=f"{base.id}_change", zh=zh, en=en, kind="graduated", classes=classes)


_MOVED = (
    LegendClass("better", "改善", "Better", BETTER),
    LegendClass("same", "不变", "The same", SAME),
    LegendClass("worse", "变差", "Worse", WORSE),
)
_RATE = LAYERS["section_rate"]
_GAP, _WITHIN, _OUTCOME = LAYERS["segment_gap"], LAYERS["segment_within"], LAYERS["segment_outcome"]
_SHARES = steps((-0.25, -0.05, 0.05, 0.25), ORANGE_TO_PURPLE, percent=True, sign=True)
_PERSONS = (0.5, 1.0, 2.0, 4.0)
_PER_KM2 = (0.5, 1.0, 1.5, 2.0)
_GAP_GRID, _GAP_CELL = LAYERS["density_gap"], LAYERS["density_surface"]


def _grid_persons(column: str, zh: str, en: str) -> Measure:
    layer = replace(
        _GAP_GRID,
        id=f"density_{column}",
        zh=zh,
        en=en,
        column=column,
        classes=steps(_PERSONS, YELLOW_TO_BLUE, unit="人"),
    )
    change = _change(
        layer, f"{zh}之差", f"{en}: difference", steps((-1, -0.05, 0.05, 1), ORANGE_TO_PURPLE, unit="人", sign=True)
    )
    return Measure(layer.id, "density", layer, change)


def _cell_persons(column: str, zh: str, en: str) -> Measure:
    layer = replace(
        _GAP_CELL,
        id=f"surface_{column}",
        zh=zh,
        en=en,
        column=f"{column}_km2",
        classes=steps(_PER_KM2, YELLOW_TO_BLUE, unit="/km²"),
    )
    change = _change(
        layer,
        f"{zh}之差",
        f"{en}: difference",
        steps((-0.5, -0.05, 0.05, 0.5), ORANGE_TO_PURPLE, unit="/km²", sign=True),
    )
    return Measure(layer.id, "density", layer, change)


_SHORT = steps((-1, -0.05, 0.05, 1), PURPLE_TO_ORANGE, unit="人", sign=True)
_NDVI = LAYERS["ndvi"]
_ALL = (
    Measure("road_outcome", "coverage", _OUTCOME, replace(_OUTCOME, id="outcome_change", zh="巡查结果变化", en="Outcome: change", classes=_MOVED), by_hour=True),
    Measure("road_rate", "coverage", replace(_RATE, geometry_table="segments", key="segment_id"),
            _change(replace(_RATE, geometry_table="segments", key="segment_id"), "达标率下限之差", "Lower bound of the rate: difference", _SHARES), by_hour=True),
    Measure("road_gap", "coverage", _GAP, _change(_GAP, "最长间隔之差", "Longest time without a pass: difference", steps((-2, -0.5, 0.5, 2), PURPLE_TO_ORANGE, unit="h", sign=True))),
    Measure("road_within", "coverage", _WITHIN, _change(_WITHIN, "间隔达标占比之差", "Share inside the interval: difference", _SHARES)),
    Measure("grid_rounds", "coverage", LAYERS["grid_rounds"], _change(LAYERS["grid_rounds"], "轮次完成比例之差", "Rounds done of required: difference", _SHARES), by_hour=True),
    Measure("grid_outcome", "coverage", LAYERS["grid_outcome"], replace(LAYERS["grid_outcome"], id="grid_outcome_change", zh="网格结果变化", en="Grid outcome: change", classes=_MOVED)),
    Measure("density_gap", "density", _GAP_GRID, _change(_GAP_GRID, "人员缺口之差", "Inspectors short: difference", _SHORT)),
    Measure("density_verdict", "density", LAYERS["density_verdict"]),
    _grid_persons("required", "应配人员", "Inspectors required"),
    _grid_persons("allocated", "已配人员", "Inspectors allocated"),
    _grid_persons("on_duty", "在岗人员", "Inspectors on duty"),
    _grid_persons("present", "在场人员（时间平均）", "Inspectors present (time-averaged)"),
    Measure("surface_gap", "density", _GAP_CELL, _change(_GAP_CELL, "缺口密度之差", "Inspectors short per km²: difference", steps((-0.5, -0.05, 0.05, 0.5), PURPLE_TO_ORANGE, unit="/km²", sign=True))),
    _cell_persons("required", "应配密度面", "Required per km²"),
    _cell_persons("allocated", "已配密度面", "Allocated per km²"),
    _cell_persons("present", "在场密度面", "Present per km²"),
    Measure("ndvi", "remote", _NDVI),
    Measure("ndvi_share", "remote", replace(_NDVI, id="ndvi_share", zh="植被覆盖占比", en="Share vegetated", column="share",
            classes=steps((0.1, 0.25, 0.5, 0.75), tuple(c.color for c in _NDVI.classes), percent=True))),
    Measure("ndvi_change", "remote", LAYERS["ndvi_change"]),
    Measure("loss_share", "remote", replace(LAYERS["ndvi_change"], id="loss_share", zh="植被减少面积占比", en="Share with loss of vegetation", column="loss_share",
            classes=steps((0.01, 0.05, 0.1, 0.25), BLUE_TO_RED, percent=True))),
    Measure("hotspots", "hotspots", LAYERS["hotspots"]),
    Measure("case_density", "hotspots", LAYERS["case_density"]),
)  # fmt: skip
MEASURES: dict[str, Measure] = {m.id: m for m in _ALL}
UNDER = (
    "none",
    "ndvi",
    "ndvi_change",
    "scene",
    "hotspots",
    "case_density",
    "density_gap",
    "surface_gap",
    "grid_rounds",
)


def measures_of(group: str) -> list[Measure]:
    """The measures of a group, the first its default."""
    return [m for m in _ALL if m.group == group]


@dataclass(frozen=True, slots=True)
class Choice:
    """All that decides what the page shows.

    Attributes:
        measure: a key of MEASURES.
        first: days of the period shown, ascending.
        second: days of the period it is compared with.
        compare: none; side (two maps); difference (first minus second); under (what lies under the roads, on a map beside).
        hour: local hour of the day 0 … 23, None for the whole day.
        policy_class: main, secondary or branch; empty: all.
        squad: unit_id; empty: all.
        under: layer beneath the roads: a measure, `scene` or `none`.
        scene: scene_id of the image and of NDVI; empty: the latest.
        period: day, week or month of hotspots.
        category: of cases; `all`.
        count: how many next inspectors to place.
    """

    measure: str
    first: tuple[date, ...]
    second: tuple[date, ...]
    compare: Compare = "none"
    hour: int | None = None
    policy_class: str = ""
    squad: str = ""
    under: str = "none"
    scene: str = ""
    period: str = "month"
    category: str = "all"
    count: int = 5

    @property
    def what(self) -> Measure:
        """The measure."""
        return MEASURES[self.measure]

    @property
    def by_hour(self) -> int | None:
        """The hour, where the measure can be had by hour."""
        return self.hour if self.what.by_hour else None


def _between(days: Sequence[date], low: str, high: str, default: Sequence[date]) -> tuple[date, ...]:
    """Audited days from one named day to another (either way round)."""
    named = {str(d): d for d in days}
    if low not in named and high not in named:
        return tuple(default)
    one, two = named.get(low, named.get(high)), named.get(high, named.get(low))
    if one is None or two is None:
        return tuple(default)
    return tuple(d for d in days if min(one, two) <= d <= max(one, two))


def _one_of(value: object, allowed: Sequence[str], default: str) -> str:
    return str(value) if str(value) in allowed else default


def choice_from(said: Mapping[str, object], days: Sequence[date]) -> Choice:
    """The choice that a URL query or the controls name; what they leave out or misname takes its default.

    Args:
        said: measure, from, to, from2, to2, compare, hour, class, squad, under, scene, period, category, count.
        days: audited days, ascending, at least one.
    """
    text = {k: "" if v is None else str(v) for k, v in said.items()}
    measure = _one_of(text.get("measure"), tuple(MEASURES), "road_outcome")
    latest, before = tuple(days[-1:]), tuple(days[-2:-1] or days[-1:])
    low, high = text.get("from") or text.get("day", ""), text.get("to") or text.get("day", "")
    compare = _one_of(text.get("compare"), COMPARES, "none")
    if compare == "difference" and MEASURES[measure].change is None:
        compare = "none"
    under = _one_of(text.get("under"), UNDER, "none")
    if compare == "under" and under == "none":
        compare = "none"
    hour, count = text.get("hour", ""), text.get("count", "")
    return Choice(
        measure=measure,
        first=_between(days, low, high, latest),
        second=_between(days, text.get("from2", ""), text.get("to2", ""), before),
        compare=compare,  # type: ignore[arg-type]  # one of COMPARES
        hour=int(hour) if hour.isdecimal() and int(hour) in HOURS else None,
        policy_class=_one_of(text.get("class"), CLASSES, ""),
        squad=text.get("squad", ""),
        under=under,
        scene=text.get("scene", ""),
        period=_one_of(text.get("period"), ("day", "week", "month"), "month"),
        category=text.get("category") or "all",
        count=min(max(int(count), 1), 50) if count.isdecimal() else 5,
    )
