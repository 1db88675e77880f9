"""How every layer looks, and what its legend says: map, table, export and QGIS style read colours and classes from here alone.

Colours are told apart with colour-blind eyes (after Okabe and Ito 2008 for categories; ColorBrewer's RdYlBu, PuOr and YlGnBu for steps) and by words
in every table, so that no figure rests on colour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

NO_VALUE = "no_value"


@dataclass(frozen=True, slots=True)
class LegendClass:
    """One entry of a legend; a graduated class holds lower <= value < upper (None: open)."""

    key: str
    zh: str
    en: str
    color: str
    lower: float | None = None
    upper: float | None = None

    def label(self, lang: str) -> str:
        """Its words."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Layer:
    """One map layer: the table and column that it shows, the table and key that give its geometry, and its legend."""

    id: str
    zh: str
    en: str
    table: str
    column: str
    geometry_table: str
    key: str
    shape: Literal["line", "polygon", "point"]
    kind: Literal["category", "graduated"]
    classes: tuple[LegendClass, ...]
    unit: str = ""
    scale: float = 1.0  # shown value = stored value × scale

    def title(self, lang: str) -> str:
        """Its name."""
        return self.zh if lang == "zh" else self.en

    def classify(self, values: pd.Series | Sequence[object]) -> npt.NDArray[np.object_]:
        """The key of the legend class of every value; `no_value` for what is missing or unknown to the legend.

        Args:
            values: (n,), categories or numbers as stored.

        Returns:
            object (n,).
        """
        series = pd.Series(values).reset_index(drop=True)
        out = np.full(len(series), NO_VALUE, dtype=object)
        if self.kind == "category":
            for c in self.classes:
                out[(series == c.key).to_numpy(dtype=bool, na_value=False)] = c.key
            return out
        numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=float) * self.scale
        for c in self.classes:
            if c.key == NO_VALUE:
                continue
            inside = np.ones(len(numbers), dtype=bool) & ~np.isnan(numbers)
            if c.lower is not None:
                inside &= numbers >= c.lower
            if c.upper is not None:
                inside &= numbers < c.upper
            out[inside] = c.key
        return out

    def colors(self) -> dict[str, str]:
        """Class key to colour."""
        return {c.key: c.color for c in self.legend_classes()}

    def legend_classes(self) -> tuple[LegendClass, ...]:
        """The classes, ending with the one for no value."""
        if any(c.key == NO_VALUE for c in self.classes):
            return self.classes
        return (*self.classes, LegendClass(NO_VALUE, "无数据", "No data", GREY))

    def legend(self, values: pd.Series | Sequence[object]) -> pd.DataFrame:
        """The legend with how many values fall into each class: columns key, zh, en, color, count (every class, in order)."""
        counts = pd.Series(self.classify(values)).value_counts()
        return pd.DataFrame(
            [
                {"key": c.key, "zh": c.zh, "en": c.en, "color": c.color, "count": int(counts.get(c.key, 0))}
                for c in self.legend_classes()
            ]
        )


GREEN, BLUE, ORANGE, SKY = "#009e73", "#0072b2", "#e69f00", "#56b4e9"
# Darker than Okabe and Ito's: thin lines of partly and wholly missed roads differ in lightness as well, and silence from what has no rule.
RED, PURPLE, GREY, PALE = "#c1272d", "#b5578f", "#b8bec6", "#d9dde3"

OUTCOMES = (
    LegendClass("covered", "已巡", "Covered", BLUE),
    LegendClass("partly", "部分漏巡", "Partly missed", ORANGE),
    LegendClass("missed", "漏巡", "Missed", RED),
    LegendClass("unknown", "未知（失联）", "Unknown (silent)", PURPLE),
    LegendClass("excused", "免巡", "Excused", SKY),
    LegendClass("open", "未到期", "Not yet due", PALE),
    LegendClass("no_rule", "无规则", "No rule", GREY),
)


UNITS_EN = {"轮": "rounds", "人": "persons"}


def unit_in_english(text: str, unit: str) -> str:
    """The words of a legend class with its unit in English."""
    return text.replace(unit, UNITS_EN[unit]) if unit in UNITS_EN else text


def _steps(
    bounds: Sequence[float], colors: Sequence[str], *, unit: str, percent: bool = False
) -> tuple[LegendClass, ...]:
    """Classes below the first bound, between bounds, and from the last bound on."""
    if len(colors) != len(bounds) + 1:
        message = f"{len(colors)} colours for {len(bounds)} bounds"
        raise ValueError(message)

    def word(value: float) -> str:
        return f"{value:.0%}" if percent else f"{value:g}"

    out = []
    for i, color in enumerate(colors):
        lower = bounds[i - 1] if i else None
        upper = bounds[i] if i < len(bounds) else None
        tail = f" {unit}" if unit else ""
        if lower is None and upper is not None:
            text = f"< {word(upper)}{tail}"
        elif upper is None and lower is not None:
            text = f"≥ {word(lower)}{tail}"
        else:
            text = f"{word(lower or 0)} – {word(upper or 0)}{tail}"
        out.append(LegendClass(f"c{i}", text, unit_in_english(text, unit), color, lower, upper))
    return tuple(out)


RED_TO_BLUE = ("#a50026", "#f46d43", "#fee090", "#abd9e9", "#4575b4")
BLUE_TO_RED = tuple(reversed(RED_TO_BLUE))
YELLOW_TO_BLUE = ("#ffffcc", "#a1dab4", "#41b6c4", "#2c7fb8", "#253494")
ORANGE_TO_PURPLE = ("#b35806", "#f1a340", "#d6cec4", "#998ec3", "#542788")

HOTSPOT_CLASSES = (
    LegendClass("hot_99", "热点 99%", "Hot spot 99 %", "#a50026"),
    LegendClass("hot_95", "热点 95%", "Hot spot 95 %", "#f46d43"),
    LegendClass("hot_90", "热点 90%", "Hot spot 90 %", "#fee090"),
    LegendClass("none", "不显著", "Not significant", PALE),
    LegendClass("too_few", "案件过少", "Too few cases", "#eceff3"),
    LegendClass("cold_90", "冷点 90%", "Cold spot 90 %", "#e0f3f8"),
    LegendClass("cold_95", "冷点 95%", "Cold spot 95 %", "#abd9e9"),
    LegendClass("cold_99", "冷点 99%", "Cold spot 99 %", "#4575b4"),
)
VERDICTS = (
    LegendClass("enough", "达标", "Enough", BLUE),
    LegendClass("short", "不足", "Short", RED),
    LegendClass("undecided", "无法判定", "Undecided", GREY),
)

# ruff: noqa: E501 (a layer stands on a line or two, its words whole)
_LAYERS = (
    Layer("segment_outcome", "道路巡查结果", "Road patrol outcome", "segment_days", "outcome", "segments", "segment_id", "line", "category", OUTCOMES),
    Layer("segment_gap", "最长未巡间隔", "Longest time without a pass", "segment_days", "longest_gap_s", "segments", "segment_id", "line",
          "graduated", _steps((1, 2, 4, 8), BLUE_TO_RED, unit="h"), "h", 1 / 3600),
    Layer("segment_within", "间隔达标占比", "Share of duty time inside the interval", "segment_days", "within_share", "segments", "segment_id",
          "line", "graduated", _steps((0.25, 0.5, 0.75, 0.95), RED_TO_BLUE, unit="", percent=True)),
    Layer("section_rate", "责任路段达标率下限", "Section rate, lower bound", "section_days", "rate_low", "sections", "section_id", "line",
          "graduated", _steps((0.25, 0.5, 0.75, 0.95), RED_TO_BLUE, unit="", percent=True)),
    Layer("section_class", "道路政策等级", "Policy class of roads", "sections", "policy_class", "sections", "section_id", "line", "category", (
        LegendClass("main", "主干道", "Main road", RED),
        LegendClass("secondary", "次干道", "Secondary road", ORANGE),
        LegendClass("branch", "支路", "Branch road", BLUE),
        LegendClass("no_rule", "无规则", "No rule", GREY),
    )),
    Layer("grid_outcome", "工作网格轮次结果", "Work grids: full-coverage rounds", "grid_days", "outcome", "work_grids", "grid_id", "polygon",
          "category", OUTCOMES),
    Layer("grid_rounds", "轮次完成比例", "Rounds done of required", "grid_days", "round_share", "work_grids", "grid_id", "polygon", "graduated",
          _steps((0.25, 0.5, 0.75, 1), RED_TO_BLUE, unit="", percent=True)),
    Layer("community_outcome", "全科网格巡查结果", "Community grids: cadence", "community_windows", "outcome", "community_grids", "grid_id",
          "polygon", "category", OUTCOMES),
    Layer("density_verdict", "人员配置结论", "Inspector density verdict", "density", "verdict", "work_grids", "area_id", "polygon", "category", VERDICTS),
    Layer("density_gap", "人员缺口", "Inspectors short", "density", "gap", "work_grids", "area_id", "polygon", "graduated",
          _steps((0.05, 0.5, 1, 2), BLUE_TO_RED, unit="人")),
    Layer("density_surface", "人员缺口密度面", "Inspectors short per km²", "density_surface", "gap_km2", "density_surface", "cell_id", "polygon",
          "graduated", _steps((0.05, 0.5, 1, 2), BLUE_TO_RED, unit="/km²")),
    Layer("hotspots", "案件热点（Gi*）", "Case hotspots (Gi*)", "hotspots", "hotspot", "hotspots", "cell_id", "polygon", "category", HOTSPOT_CLASSES),
    Layer("case_density", "案件核密度", "Case kernel density", "hotspots", "kde_km2", "hotspots", "cell_id", "polygon", "graduated",
          _steps((1, 5, 20, 50), YELLOW_TO_BLUE, unit="/km²")),
    Layer("ndvi", "植被指数 NDVI", "Vegetation index NDVI", "zonal", "mean", "work_grids", "grid_id", "polygon", "graduated",
          _steps((0.0, 0.2, 0.4, 0.6), ("#d9d0c1", "#ffffcc", "#c2e699", "#78c679", "#238443"), unit="")),
    Layer("ndvi_change", "植被变化", "Vegetation change", "zonal_change", "mean_change", "work_grids", "grid_id", "polygon", "graduated",
          _steps((-0.15, -0.05, 0.05, 0.15), ORANGE_TO_PURPLE, unit="")),
)  # fmt: skip

LAYERS: dict[str, Layer] = {layer.id: layer for layer in _LAYERS}


def layers_of(table: str) -> tuple[Layer, ...]:
    """The layers that show a table."""
    return tuple(layer for layer in _LAYERS if layer.table == table)


def table_layer(column: Literal["rate_low", "outcome"], shape: Literal["line", "polygon"]) -> Layer:
    """How the rows of a table of any level are drawn: by the lower bound of their rate, or single windows by their outcome."""
    like = LAYERS["section_rate" if column == "rate_low" else "segment_outcome"]
    zh, en = ("达标率下限", "Rate, lower bound") if column == "rate_low" else ("结果", "Outcome")
    return replace(like, id="audit", zh=zh, en=en, column=column, shape=shape)


def outcome_color(key: str) -> str:
    """Colour of an outcome, in cells of workbooks and tables as on maps."""
    return next((c.color for c in OUTCOMES if c.key == key), GREY)


# What the codes stored in tables mean, for people.
WORDS: dict[str, tuple[str, str]] = {
    **{c.key: (c.zh, c.en) for c in (*OUTCOMES, *HOTSPOT_CLASSES, *VERDICTS)},
    "main": ("主干道", "main road"),
    "secondary": ("次干道", "secondary road"),
    "branch": ("支路", "branch road"),
    "central": ("中心城区", "central"),
    "fringe": ("城郊结合部", "fringe"),
    "mixed": ("混合", "mixed"),
    "squad_member": ("执法队员", "squad member"),
    "squad_leader": ("中队长", "squad leader"),
    "grid_leader": ("网格组长", "grid leader"),
    "collector": ("信息采集员", "collector"),
    "grid_member": ("网格员", "grid member"),
    "foot": ("步行", "on foot"),
    "ebike": ("电动车", "e-bike"),
    "vehicle": ("车辆", "vehicle"),
    "county": ("县", "county"),
    "zone": ("区位", "zone"),
    "town": ("镇街", "town"),
    "squad": ("中队", "squad"),
    "class": ("等级", "class"),
    "road": ("道路", "road"),
    "work_grid": ("工作网格", "work grid"),
    "person": ("人员", "person"),
    "rule": ("规则", "rule"),
    "entitled": ("有权人员", "anyone entitled"),
    "responsible": ("责任人", "the responsible person"),
    "roster": ("名册", "named by the roster"),
    "from_grid": ("由网格代填", "filled in from the work grid"),
    "nobody": ("无人", "nobody"),
    "no_rostered": ("无人在岗", "nobody on duty"),
    "not_passed": ("无人经过", "not passed"),
    "too_fast": ("车速过快", "too fast"),
    "partial": ("未巡完", "only in part"),
    "silent": ("失联", "silent"),
    "motionless": ("设备静置", "device motionless"),
    "no_data": ("没有数据", "no data"),
    "no_roster": ("名册中没有有权人员", "nobody entitled in the roster"),
    "no_device": ("有权人员没有设备", "those entitled carry no device"),
    "unit": ("单位（无责任人在岗）", "the unit (nobody responsible on duty)"),
    "observability": ("无人（数据无法判定）", "nobody (the data cannot decide)"),
    "inferred": ("路线只能推断", "only inferred"),
    "unsupported": ("数据不足以判定", "not supported by the data"),
    "exception": ("已登记例外", "registered exception"),
    "on_time": ("按时", "on time"),
    "late": ("超时办结", "late"),
    "running": ("办理中", "running"),
    "overdue": ("已超时", "overdue"),
    "suspended": ("挂账", "suspended"),
    "no_figure": ("无时限", "no figure"),
    "impossible": ("时间矛盾", "impossible order of times"),
    "clause": ("条款", "the clause"),
    "limits": ("标准的时限表", "the standard's table of limits"),
    "case_file": ("案件表", "the case's file"),
    "instruction": ("领导批示", "a leader's instruction"),
    "closed_before_opened": ("结案早于立案", "closed before opened"),
    "dispatched_before_opened": ("派遣早于立案", "dispatched before opened"),
    "verified_before_opened": ("核查早于立案", "verified before opened"),
    "closed_before_dispatched": ("结案早于派遣", "closed before dispatched"),
    "closed_before_verified": ("结案早于核查", "closed before verified"),
    "open_but_closed": ("有结案时间而状态为未结案", "has a time of closing and stands as open"),
    "due_before_opened": ("期限早于立案，不采用", "deadline before the opening, not used"),
    "instruction_before_opened": ("批示期限早于立案，不采用", "instructed deadline before the opening, not used"),
    "day_only": ("只知完成的日期", "only the day of the end is known"),
    "no_verification": ("没有核查时间", "no time of verification"),
    "closed_without_time": ("没有结案时间", "no time of closing"),
    "track": ("轨迹", "track"),
    "checkin": ("打卡", "check-in"),
    "both": ("轨迹与打卡", "track and check-in"),
    "day": ("日", "day"),
    "week": ("周", "week"),
    "month": ("月", "month"),
}


def word(code: object, lang: str = "zh") -> str:
    """What a stored code means, in words; a code without a word is shown as it is."""
    zh, en = WORDS.get(str(code), (str(code), str(code)))
    return zh if lang == "zh" else en
