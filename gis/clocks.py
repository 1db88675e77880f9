"""Disposal clocks and supervision: when each case was due, whether it was in time, and what follows where it was not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.calendar import add_working_days, day_bounds, duty_intervals, is_working_day, local_ms
from gis.crew import column_ms, column_text, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from gis.calendar import Interval
    from gis.standard import Clock, Standard

_NONE = -(2**62)
_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_DESK = "squad_member"  # whose duty hours are working hours


@dataclass(slots=True)
class WorkTime:
    """Working days and hours of one standard and place, each day looked up once."""

    standard: Standard
    zone: ZoneInfo
    _periods: dict[date, list[Interval]]

    @classmethod
    def of(cls, standard: Standard, zone: ZoneInfo) -> WorkTime:
        """Working time under a standard."""
        return cls(standard, zone, {})

    def day_of(self, ms: int) -> date:
        """Local day of a moment."""
        return datetime.fromtimestamp(ms // 1000, UTC).astimezone(self.zone).date()

    def periods(self, day: date) -> list[Interval]:
        """Working hours of a day: the duty periods of the standard; none on a day off."""
        if day not in self._periods:
            on = is_working_day(day, self.standard.calendar)
            self._periods[day] = duty_intervals(self.standard, day, self.zone, role=_DESK) if on else []
        return self._periods[day]

    def after_days(self, start_ms: int, days: int) -> int:
        """End of a limit in calendar days (`measure.day_clock`)."""
        if self.standard.measure.day_clock.value == "elapsed":
            return start_ms + days * _DAY_MS
        return local_ms(self.day_of(start_ms) + timedelta(days=days), 1440, self.zone)

    def after_working_days(self, start_ms: int, days: int) -> int:
        """Midnight after so many working days; the day of the start is not counted.

        Raises:
            ImpossibleError: the calendar does not know a day.
        """
        return local_ms(add_working_days(self.day_of(start_ms), days, self.standard.calendar), 1440, self.zone)

    def after_working_hours(self, start_ms: int, hours: float) -> int:
        """Moment at which so many working hours have passed.

        Raises:
            ImpossibleError: the calendar does not know a day.
        """
        left = round(hours * 3_600_000)
        day = self.day_of(start_ms)
        while True:
            for s, e in self.periods(day):
                begin = max(s, start_ms)
                if begin < e:
                    if left <= e - begin:
                        return begin + left
                    left -= e - begin
            day += timedelta(days=1)

    def after(self, start_ms: int, amount: float, unit: str) -> int:
        """End of a limit in day, working_day or working_hour."""
        if unit == "working_hour":
            return self.after_working_hours(start_ms, amount)
        if unit == "working_day":
            return self.after_working_days(start_ms, round(amount))
        return self.after_days(start_ms, round(amount))


@dataclass(frozen=True, slots=True)
class _Case:
    case_id: str
    channel: str
    category: str
    road_class: str
    opened: int
    dispatched: int
    due: int
    closed: int
    status: str


def case_clocks(cases: pd.DataFrame, standard: Standard, zone: ZoneInfo, *, as_of_ms: int) -> pd.DataFrame:
    """The clocks of every case opened by a moment, as they stood then (contract `case_clocks`).

    Which clocks bind a case follows from what happened to it: one settled within a minute was settled on the spot; a squad's case closed
    the same day was settled that day, any other was handed over (verify, settle); a community case that was dispatched runs on the clock of
    the dispatch. A deadline in the case table goes before a computed one for the clock that closes a case.

    Raises:
        ImpossibleError: the calendar does not know a day that a limit needs.
    """
    time = WorkTime.of(standard, zone)
    by_channel: dict[str, list[tuple[str, Clock]]] = defaultdict(list)
    for key, clock in standard.clocks.items():
        by_channel[clock.channel].append((key, clock))
    rows = [
        _row(case, key, clock, time, as_of_ms)
        for case in _cases(cases)
        if case.opened <= as_of_ms
        for key, clock in by_channel.get(case.channel, [])
        if _binds(case, clock, time, as_of_ms)
    ]
    times = np.array([r[2:5] for r in rows], dtype=np.int64).reshape(-1, 3)
    return pd.DataFrame(
        {
            "case_id": [r[0] for r in rows],
            "clock_id": [r[1] for r in rows],
            "started": stamp(times[:, 0]),
            "due": stamp(times[:, 1], _NONE),
            "closed": stamp(times[:, 2], _NONE),
            "outcome": [r[5] for r in rows],
            "supervision": [r[6] or None for r in rows],
        }
    )


def _cases(cases: pd.DataFrame) -> list[_Case]:
    text = [column_text(cases, c) for c in ("case_id", "channel", "category", "road_class")]
    times = [column_ms(cases, c, _NONE) for c in ("opened", "dispatched", "due", "closed")]
    return [_Case(*row) for row in zip(*text, *times, column_text(cases, "status"), strict=True)]


def _closed(case: _Case, as_of_ms: int) -> int:
    """When a case was closed, as known at a moment."""
    return case.closed if case.closed <= as_of_ms else _NONE


def _binds(case: _Case, clock: Clock, time: WorkTime, as_of_ms: int) -> bool:
    closed = _closed(case, as_of_ms)
    spot = closed != _NONE and closed - case.opened <= _MINUTE_MS
    same_day = closed != _NONE and time.day_of(closed) == time.day_of(case.opened)
    if clock.unit == "at_once":
        return spot
    if clock.unit == "same_day":
        return same_day
    if case.channel == "squad" and same_day:
        return False
    if case.channel == "community" and spot:
        return False
    dispatched = case.dispatched != _NONE and case.dispatched <= as_of_ms
    if case.channel == "community" and clock.closes:
        return dispatched == (clock.starts == "dispatched")
    return clock.starts == "opened" or dispatched


def _due(case: _Case, clock: Clock, started: int, time: WorkTime) -> int:
    if clock.closes and case.due != _NONE:
        return case.due
    if clock.unit == "category":
        line = time.standard.platform.limit(case.category, case.road_class)
        return _NONE if line is None else time.after(started, line.amount, line.unit)
    if clock.unit == "at_once":
        return started + _MINUTE_MS
    if clock.unit == "same_day":
        return day_bounds(time.day_of(started), time.zone)[1]
    return _NONE if clock.amount is None else time.after(started, clock.amount, clock.unit)


def _row(
    case: _Case, key: str, clock: Clock, time: WorkTime, as_of_ms: int
) -> tuple[str, str, int, int, int, str, str]:
    started = case.dispatched if clock.starts == "dispatched" else case.opened
    due = _due(case, clock, started, time)
    done = _closed(case, as_of_ms)
    if not clock.closes and clock.amount is not None and _NONE < case.dispatched <= as_of_ms:
        done = case.dispatched if done == _NONE else min(done, case.dispatched)
    outcome = _outcome(case, clock, due, done, as_of_ms)
    supervision = _supervision(case, clock, due, done, time, as_of_ms) if outcome in {"late", "overdue"} else ""
    return case.case_id, key, started, due, done, outcome, supervision


def _outcome(case: _Case, clock: Clock, due: int, done: int, as_of_ms: int) -> str:
    if clock.unit == "none" or due == _NONE:
        return "no_figure"
    if done != _NONE:
        return "on_time" if done <= due else "late"
    if case.status == "suspended":
        return "suspended"
    return "running" if as_of_ms <= due else "overdue"


def _supervision(case: _Case, clock: Clock, due: int, done: int, time: WorkTime, as_of_ms: int) -> str:
    """What the supervision of the channel says of a case past its limit; only clocks that close a case are supervised."""
    fits = {k: s for k, s in time.standard.supervision.items() if s.channel == case.channel}
    if not clock.closes or not fits:
        return ""
    key, rule = next(iter(fits.items()))
    if rule.amount is None or not rule.unit:
        return f"{key}：超期，{rule.zh}"
    until = time.after(due, rule.amount, rule.unit)
    shown = f"{time.day_of(until - 1):%Y-%m-%d}"
    if done != _NONE:
        return f"{key}：超期结案（督办期内）" if done <= until else f"{key}：督办期后结案，纳入考核"
    return f"{key}：督办中，至 {shown}" if as_of_ms <= until else f"{key}：督办逾期（{shown}），纳入考核"


def clock_summary(clocks: pd.DataFrame) -> Mapping[str, int]:
    """Number of clocks by outcome."""
    return {str(k): int(v) for k, v in clocks["outcome"].value_counts(sort=False).sort_index().items()}
