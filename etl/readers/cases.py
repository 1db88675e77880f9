"""Cases of every channel, their clocks and their places: nothing is dropped for want of a deadline or a trustworthy point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from etl.readers.checkins import placed, points
from etl.readers.records import Finder, Records
from etl.readers.sheets import normal_word
from etl.readers.words import CASE_STATES, CHANNELS, MARKS
from gis.clock_notes import case_order_notes

if TYPE_CHECKING:
    import numpy.typing as npt

    from etl.base import Context, Read
    from layers.city import Source

_WORDS = {
    "case_id": ("案件号", "编号", "任务号", "工单号", "受理编号"),
    "channel": ("渠道", "来源", "案件来源", "问题来源"),
    "category": ("类别", "案件类别", "大类", "问题类型"),
    "title": ("标题", "问题描述", "描述"),
    "unit_id": ("责任单位", "处置单位", "责任部门"),
    "road_class": ("道路等级",),
    "opened": ("立案时间", "受理时间", "上报时间", "发生时间"),
    "dispatched": ("派遣时间",),
    "verified": ("核查时间", "核实时间", "核查完成时间"),
    "due": ("期限", "处置期限", "截止时间", "应结案时间"),
    "instructed_due": ("领导批示期限", "批示期限", "领导批办期限", "批示办结时间"),
    "on_spot": ("当场处置", "是否当场处置", "是否当场办结", "现场处置"),
    "closed": ("结案时间", "办结时间"),
    "status": ("状态", "案件状态"),
    "lon": ("经度",),
    "lat": ("纬度",),
}
DEFAULT_SHARE = 0.01
"""A point on which at least this share of all located cases lies is suspected of being the system's default."""
DEFAULT_ROWS = 30
DEFAULT_LEAD = 3.0
"""… if it holds at least so many cases, and so many times more than the next point."""


def read_cases(source: Source, context: Context) -> Read:
    """Cases with opening, dispatch, verification, deadlines and closing; times of several formats may stand in one file.

    A deadline, a verification and a closing that are bare dates end with their day; so do those of a column whose every clock is 0:00, as
    spreadsheets write dates.

    `located` is false for cases without coordinates, with impossible ones, or on a default point of the source system (declared by
    `default_place`, or found by its share); they keep counting everywhere but on maps. A status that is not given follows from the closing.

    Raises:
        InputError: the source cannot be read, or has no case ids, opening times or channels.
    """
    rows = Records(source, context, _WORDS)
    rows.require("case_id", "opened", "channel")
    case_id = rows.text("case_id")
    rows.doubt_empty(case_id, "case_id")
    channel = rows.words("channel", CHANNELS)
    rows.doubt_empty(channel, "channel")
    times = {c: rows.times(c, required=c == "opened") for c in ("opened", "dispatched")}
    times |= {c: rows.times(c, end=True, dates=True) for c in ("verified", "due", "instructed_due", "closed")}
    status = _status(rows, times["closed"])
    rows.doubt_keys(case_id)
    where, crs = points(rows, source, label=("案件", "cases"))
    located = np.array([p is not None for p in where], dtype=np.bool_)
    located &= ~_on_default(rows, where, source)
    none = int(times["due"].isna().sum())
    if none and none < len(rows):
        rows.note(f"{none} 件案件没有期限", f"{none} cases have no due time")
    units = Finder(context.tables.get("units"), "unit_id")
    unit = [units.find(u)[0] or u for u in rows.text("unit_id")]
    text = {c: rows.text(c) for c in ("category", "title", "road_class")}
    columns: dict[str, Any] = {
        "case_id": case_id,
        "channel": channel,
        "unit_id": unit,
        "status": status,
        "on_spot": _marks(rows),
        "located": located,
        "geometry": where,
    }
    orders = pd.DataFrame({"case_id": case_id, "status": status, **times})[rows.code == ""]
    for _, _, count, zh, en in case_order_notes(orders, context.city.zone):
        if count:
            rows.note(f"{count} {zh}", f"{count} {en}")
    return placed(rows.read({**columns, **times, **text}, crs=crs))


def _marks(rows: Records) -> list[bool | None]:
    """Whether each case is marked as settled on the spot; None where nothing, or nothing known, is written."""
    cells = rows.text("on_spot")
    found = [None if c is None else MARKS.get(normal_word(c)) for c in cells]
    unknown = sorted({c for c, f in zip(cells, found, strict=True) if c is not None and f is None})
    if unknown:
        shown = "、".join(unknown[:5])
        rows.note(
            f"“当场处置”一列有 {len(unknown)} 种写法看不懂，视为未写明：{shown}",
            f"{len(unknown)} wordings of on_spot are not understood and taken as not said: {shown}",
        )
    return found


def _status(rows: Records, closed: pd.Series[Any]) -> list[str | None]:
    given = rows.words("status", CASE_STATES)
    done = closed.notna().to_numpy()
    return [g or ("closed" if d else "open") for g, d in zip(given, done, strict=True)]


def _on_default(rows: Records, where: npt.NDArray[np.object_], source: Source) -> npt.NDArray[np.bool_]:
    """Cases on a default point; it is named in the notes with its number of cases."""
    x, y = shapely.get_x(where), shapely.get_y(where)
    out = np.zeros(len(where), dtype=np.bool_)
    for lon, lat in (*source.default_place, *default_points(x, y)):
        here = (np.abs(x - lon) < 1e-7) & (np.abs(y - lat) < 1e-7) & ~out  # noqa: PLR2004 (a centimetre)
        if here.any():
            n = int(here.sum())
            rows.note(
                f"{n} 件案件都在 ({lon:g}, {lat:g})，视为系统默认坐标，不上图",
                f"{n} cases lie at ({lon:g}, {lat:g}), taken for a default place and left off maps",
            )
        out |= here
    return out


def default_points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    """Points (degrees) that a source system seems to give where it knows none.

    A point is one if it holds at least `DEFAULT_SHARE` of all located rows and `DEFAULT_ROWS` of them, and at least `DEFAULT_LEAD` times as
    many as the busiest point that is none. NaN coordinates are no points.
    """
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return []
    pairs, count = np.unique(np.column_stack([x[known], y[known]]), axis=0, return_counts=True)
    order = np.argsort(-count, kind="stable")
    busiest, size = pairs[order], count[order]
    floor = max(DEFAULT_ROWS, DEFAULT_SHARE * int(known.sum()))
    ends = [
        i
        for i in range(min(len(size), 5))
        if size[i] >= floor and size[i] >= DEFAULT_LEAD * (size[i + 1] if i + 1 < len(size) else 1)
    ]
    return [(float(a), float(b)) for a, b in busiest[: ends[-1] + 1]] if ends else []
