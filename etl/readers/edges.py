"""When something begins or ends, as offices write it: a bare date, a half day (`2026-03-18上午`), a clock in words (`下午3点`), 24时.

One rule for every column that begins or ends something. A beginning without a clock is the first instant that its words hold, an end the
last: of a bare date and of 全天 the whole day, of 上午 the day until the standard's noon, of 下午 the day from it. What words alone do not
decide (半天, 早上, 晚上, 凌晨 without a clock, 上午15点) is told as such, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from etl.readers.sheets import text_array
from etl.readers.times import TimeFault, Times, parse_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from etl.readers.times import TimeRule

    Bools = npt.NDArray[np.bool_]

_DATE = r"(?P<y>\d{4})(?:[-/.]|年)(?P<mo>\d{1,2})(?:[-/.]|月)(?P<d>\d{1,2})[日号]?|(?P<y2>(?:19|20)\d{2})(?P<mo2>\d{2})(?P<d2>\d{2})"
_BARE = re.compile(rf"(?:{_DATE})")
_ZONED = re.compile(rf"(?:{_DATE})\s*(?:Z|UTC|[+-]\d{{2}}(?::?\d{{2}})?)")
_FIRST, _SECOND, _WHOLE, _NOON = (
    {"上午", "上半天", "上半日", "上午半天", "AM"},
    {"下午", "下半天", "下半日", "下午半天", "PM"},
    {"全天", "全日", "整天", "整日", "一天", "一整天", "1天"},
    {"中午", "正午"},
)
_UNCLEAR = {"半天", "半日", "早上", "早晨", "清晨", "清早", "凌晨", "傍晚", "晚上", "晚间", "夜间", "夜里", "深夜", "午后", "午前",
            "0.5天"}  # fmt: skip
_WORDS = sorted(_FIRST | _SECOND | _WHOLE | _NOON | _UNCLEAR, key=len, reverse=True)
_WORD = "|".join(re.escape(w) for w in _WORDS)
_CLOCK = r"(?P<h>\d{1,2})(?:[:时点](?P<mi>\d{1,2})?(?:[:分](?P<s>\d{1,2})?秒?)?(?P<half>半)?)"
_WITH_WORD = re.compile(rf"(?P<date>.*?)[\sT]*(?P<word>{_WORD})[\s]*(?:{_CLOCK})?", re.IGNORECASE)
_MIDNIGHT = re.compile(r"(?P<date>.*?)[\sT]*24(?:[:时点](?:00?分?)?(?::?00?秒?)?)")
_ZERO = re.compile(r"(?P<date>.*\d[日号]?)[\sT]+(?:0?0[:时点](?:00?分?)?(?::?00?(?:\.0+)?秒?)?)")
_HALF_PAST = re.compile(rf"(?P<date>.*?)[\sT]*{_CLOCK}")
_INNER_SPACE = re.compile(r"(?<=[一-鿿])\s+(?=[一-鿿])")
_HOUR_DIRECTIVE = re.compile(r"%-?[HIMSTXcRr]")


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Beginnings or ends of N cells.

    Attributes:
        times: what was read; a cell that is `unclear` counts as unparsable.
        unclear: bool (N,), a part of a day is named that has no fixed beginning or end.
        halves: how many cells were split at noon.
    """

    times: Times
    unclear: Bools
    halves: int


@dataclass(frozen=True, slots=True)
class _Read:
    """One cell: the wall-clock time that it says, or None where its text is to be read as it stands."""

    wall: datetime | None = None
    unclear: bool = False
    half: bool = False
    add_day: bool = False


def parse_edges(cells: Sequence[str | None], rule: TimeRule, *, end: bool, noon: Callable[[], time]) -> Edges:
    """Beginnings, or ends, in UTC milliseconds.

    Args:
        cells: N cells of a small table.
        rule: zone, format and bounds.
        end: whether the cells end something.
        noon: where half days split; asked only where a cell needs it.

    Returns:
        N times with their faults. Wall-clock arithmetic: the end of a day on which clocks change is its midnight.
    """
    read = [_Read() if c is None else _read(c, rule.format, end=end, noon=noon) for c in cells]
    said = np.array([r.wall is not None for r in read], dtype=np.bool_)
    walls = [None if r.wall is None else r.wall.isoformat(sep=" ") for r in read]
    kept = [None if r.wall is not None or r.unclear else c for c, r in zip(cells, read, strict=True)]
    plain = parse_times(text_array(pd.Series(kept, dtype="object")), rule)
    wall = parse_times(text_array(pd.Series(walls, dtype="object")), replace(rule, format=None))
    ms = np.where(said, wall.ms, plain.ms)
    fault = np.where(said, wall.fault, plain.fault).astype(np.uint8)
    unclear = np.array([r.unclear for r in read], dtype=np.bool_)
    fault[unclear] = TimeFault.UNPARSABLE
    ms[np.array([r.add_day for r in read], dtype=np.bool_) & (fault == 0)] += 86_400_000
    return Edges(Times(ms, fault, plain.twofold + wall.twofold), unclear, sum(r.half for r in read))


def dates_of_midnights(cells: Sequence[str | None]) -> tuple[list[str | None], int]:
    """The cells as bare dates, and how many had a clock, where every clock of a column is 0:00; else as they are, and 0.

    So do spreadsheets write dates. A clock with a zone is a machine's and stands for a moment.
    """
    found = [None if c is None else _ZERO.fullmatch(unicodedata.normalize("NFKC", c).strip()) for c in cells]
    clocks = [c for c, f in zip(cells, found, strict=True) if c is not None and f is None and _day(c, None) is None]
    if clocks or not any(found):
        return list(cells), 0
    return [c if f is None else f["date"] for c, f in zip(cells, found, strict=True)], sum(f is not None for f in found)


def _read(cell: str, form: str | None, *, end: bool, noon: Callable[[], time]) -> _Read:
    text = _INNER_SPACE.sub("", unicodedata.normalize("NFKC", cell).strip())
    text = re.sub(r"\(([^()]*)\)$", r"\1", text)  # 2026-03-18(上午)
    day = _day(text, form)
    if day is not None:
        return _Read(_edge(day, end=end, first=time(0), last=None))
    if _ZONED.fullmatch(text):
        return _Read(add_day=end)
    found = _WITH_WORD.fullmatch(text)
    if found is not None and (day := _day(found["date"], form)) is not None:
        word = found["word"].upper()
        return _clocked(day, word, found) if found["h"] else _half(day, word, end=end, noon=noon)
    midnight = _MIDNIGHT.fullmatch(text)
    if midnight is not None and (day := _day(midnight["date"], form)) is not None:
        return _Read(_edge(day, end=True, first=time(0), last=None))
    past = _HALF_PAST.fullmatch(text)
    if past is not None and past["half"] and (day := _day(past["date"], form)) is not None:
        return _clocked(day, "", past)
    return _Read()


def _day(text: str, form: str | None) -> date | None:
    """The day that a text is, None where it is none (or says more than a day)."""
    try:
        if form is not None and not _HOUR_DIRECTIVE.search(form):
            return datetime.strptime(text, form).date()  # noqa: DTZ007 (a day has no zone)
        found = _BARE.fullmatch(text.strip())
        if found is None:
            return None
        y, mo, d = (int(found[n] or found[f"{n}2"]) for n in ("y", "mo", "d"))
        return date(y, mo, d)
    except ValueError:
        return None


def _edge(day: date, *, end: bool, first: time, last: time | None) -> datetime:
    """The first instant of a stretch of a day, or its last (None: midnight)."""
    if not end:
        return datetime.combine(day, first)
    return datetime.combine(day + timedelta(days=1), time(0)) if last is None else datetime.combine(day, last)


def _half(day: date, word: str, *, end: bool, noon: Callable[[], time]) -> _Read:
    """A part of a day without a clock."""
    if word in _WHOLE:
        return _Read(_edge(day, end=end, first=time(0), last=None))
    if word in _FIRST:
        return _Read(_edge(day, end=end, first=time(0), last=noon() if end else None), half=True)
    if word in _SECOND:
        return _Read(_edge(day, end=end, first=time(0) if end else noon(), last=None), half=True)
    if word in _NOON:
        return _Read(datetime.combine(day, noon()), half=True)
    return _Read(unclear=True)


def _clocked(day: date, word: str, found: re.Match[str]) -> _Read:
    """A clock with the part of the day beside it: 下午3点, 晚上8:30, 中午12点半; unclear where they contradict each other."""
    hour, minute, second = int(found["h"]), int(found["mi"] or 0), int(found["s"] or 0)
    if found["half"]:
        minute = 30 if not found["mi"] else 60
    hours = _hour(word, hour)
    if hours is None or minute > 59 or second > 59 or (hours == 24 and minute + second):  # noqa: PLR2004
        return _Read(unclear=True)
    return _Read(datetime.combine(day, time(0)) + timedelta(hours=hours, minutes=minute, seconds=second))


def _hour(word: str, hour: int) -> int | None:  # noqa: PLR0911 (one line a part of the day)
    """The hour (0-24) that a clock beside a word shows; None where it can show none."""
    if word == "":
        return hour if hour <= 23 else None  # noqa: PLR2004
    if word == "AM":
        return {12: 0}.get(hour, hour) if 1 <= hour <= 12 else None  # noqa: PLR2004
    if word == "凌晨":
        return hour if hour <= 6 else 0 if hour == 12 else None  # noqa: PLR2004
    if word in _FIRST or word in {"早上", "早晨", "清晨", "清早", "午前"}:
        return hour if hour <= 12 else None  # noqa: PLR2004
    if word in _NOON:
        return hour if hour in {11, 12, 13} else 13 if hour == 1 else None
    if word in _SECOND or word in {"午后", "傍晚"}:
        return hour + 12 if 1 <= hour <= 11 else hour if 12 <= hour <= 23 else None  # noqa: PLR2004
    if word in {"晚上", "晚间", "夜间", "夜里", "深夜"}:
        return hour + 12 if 5 <= hour <= 12 else hour if 17 <= hour <= 24 else None  # noqa: PLR2004
    return None
