"""What an audit says of its calendar: days whose plan nobody knows yet, and a calendar of another country than the city's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gis.calendar import day_kind, rests_on_calendar
from gis.crew import column_text
from gis.public_days import CHINA, NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt
    import pandas as pd

    from gis.standard import Calendar, RoadRule, RoundsRule, Standard

Note = tuple[str, str, int, str, str]
_CHINA_ZONES = {
    "Asia/Shanghai",
    "Asia/Urumqi",
    "Asia/Chongqing",
    "Asia/Chungking",
    "Asia/Harbin",
    "Asia/Kashgar",
    "PRC",
}


def provisional_rows(
    frame: pd.DataFrame, standard: Standard, day: date, *, unit_of: Mapping[str, str] | None = None, key: str = ""
) -> npt.NDArray[np.bool_]:
    """Which rows rest on a working day that nobody knows yet to be one, bool (N,).

    Args:
        frame: N rows with rule_id.
        standard: its road and rounds rules and its calendar.
        day: local day of all rows.
        unit_of: unit of each subject, where duty hours differ by unit.
        key: column of the subject.
    """
    out = np.zeros(len(frame), dtype=np.bool_)
    if not len(frame) or not day_kind(day, standard.calendar)[1]:
        return out
    rules: dict[str, RoadRule | RoundsRule] = {**standard.road_rules(), **standard.rounds_rules()}
    units = [(unit_of or {}).get(k, "") for k in column_text(frame, key)]
    pairs = list(zip(column_text(frame, "rule_id"), units, strict=True))
    rests = {p: p[0] in rules and rests_on_calendar(standard, rules[p[0]], day, unit=p[1]) for p in set(pairs)}
    return np.array([rests[p] for p in pairs], dtype=np.bool_)


def calendar_of_another_country(calendar: Calendar, zone: ZoneInfo) -> tuple[str, str] | None:
    """What to say where the calendar is that of another country than the time zone's; None where nothing speaks for it."""
    chinese = zone.key in _CHINA_ZONES
    if calendar.source == NONE or chinese == (calendar.source == CHINA):
        return None
    zh, en = ("中国", "China") if calendar.source == CHINA else (calendar.source, calendar.source)
    return (
        f"节假日按{zh}计算，而城市的时区是 {zone.key}：在标准的 [calendar] 中把 source 改为所在国家",
        f"holidays are those of {en}, but the city's time zone is {zone.key}: set source in [calendar] of the standard",
    )


def calendar_notes(day: date, zone: ZoneInfo, standard: Standard) -> Iterable[Note]:
    """Notes of the day (contract `findings`)."""
    working, provisional = day_kind(day, standard.calendar)
    rules: list[RoadRule | RoundsRule] = [*standard.road_rules().values(), *standard.rounds_rules().values()]
    if provisional and any(rests_on_calendar(standard, r, day) for r in rules):
        zh, en = ("工作日", "a working day") if working else ("休息日", "a day off")
        yield (
            "calendar.beyond", "calendar", 1,
            f"{day} 的节假日安排尚未公布，按周几视为{zh}：当天按工作日计的结果为暂定",
            f"the holidays of {day} are not published yet: taken for {en} by its weekday, and what rests on working days is provisional",
        )  # fmt: skip
    other = calendar_of_another_country(standard.calendar, zone)
    if other:
        yield ("calendar.country", "calendar", 1, *other)
