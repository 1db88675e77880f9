"""Limits in days, working days and working hours: when they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from gis.calendar import day_bounds, day_kind, duty_intervals

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gis.calendar import Interval
    from gis.standard import Standard

NEVER = -(2**62)
"""No such moment."""
_DAY_MS = 86_400_000
_DESK = "squad_member"  # whose duty hours are working hours
_LONGEST_DAYS = 4000  # a limit that no working day fills by then has no end


@dataclass(slots=True)
class WorkTime:
    """Working days and hours of one standard and place, each day looked up once."""

    standard: Standard
    zone: ZoneInfo
    _kinds: dict[date, tuple[bool, bool]] = field(default_factory=dict)
    _periods: dict[tuple[date, str], list[Interval]] = field(default_factory=dict)

    @classmethod
    def of(cls, standard: Standard, zone: ZoneInfo) -> WorkTime:
        """Working time under a standard."""
        return cls(standard, zone)

    def day_of(self, ms: int) -> date:
        """Local day of a moment."""
        return datetime.fromtimestamp(ms // 1000, UTC).astimezone(self.zone).date()

    def end_of(self, day: date) -> int:
        """Midnight that ends a local day."""
        return day_bounds(day, self.zone)[1]

    def kind(self, day: date) -> tuple[bool, bool]:
        """Whether a day is worked, and whether that is provisional."""
        if day not in self._kinds:
            self._kinds[day] = day_kind(day, self.standard.calendar)
        return self._kinds[day]

    def periods(self, day: date, unit: str = "") -> list[Interval]:
        """Working hours of a day, a unit's own where the standard has them; none on a day off."""
        key = day, unit
        if key not in self._periods:
            on = self.kind(day)[0]
            self._periods[key] = duty_intervals(self.standard, day, self.zone, role=_DESK, unit=unit) if on else []
        return self._periods[key]

    def after_days(self, start_ms: int, days: int) -> int:
        """End of a limit in calendar days (`measure.day_clock`)."""
        rule = self.standard.measure.day_clock.value
        if rule == "elapsed":
            return start_ms + days * _DAY_MS
        last = self.day_of(start_ms) + timedelta(days=days)
        if rule == "next_working_day":
            last = self._on(last, 0)
        return self.end_of(last)

    def after_working_days(self, start_ms: int, days: int) -> int:
        """Midnight after so many working days; the day of the start is not counted."""
        return self.end_of(self._on(self.day_of(start_ms), days))

    def _on(self, day: date, days: int) -> date:
        """The day so many working days on; with none, the day itself or the first working day after it."""
        if not days:
            while not self.kind(day)[0]:
                day += timedelta(days=1)
        for _ in range(days):
            day += timedelta(days=1)
            while not self.kind(day)[0]:
                day += timedelta(days=1)
        return day

    def after_working_hours(self, start_ms: int, hours: float, unit: str = "") -> int:
        """Moment at which so many working hours have passed; `NEVER` where the standard names no hours."""
        left = round(hours * 3_600_000)
        day = self.day_of(start_ms)
        for _ in range(_LONGEST_DAYS):
            for s, e in self.periods(day, unit):
                begin = max(s, start_ms)
                if begin < e:
                    if left <= e - begin:
                        return begin + left
                    left -= e - begin
            day += timedelta(days=1)
        return NEVER

    def after(self, start_ms: int, amount: float, unit: str, squad: str = "") -> int:
        """End of a limit in day, working_day or working_hour; `squad`: the unit whose hours they are."""
        if unit == "working_hour":
            return self.after_working_hours(start_ms, amount, squad)
        if unit == "working_day":
            return self.after_working_days(start_ms, round(amount))
        return self.after_days(start_ms, round(amount))

    def provisional(self, start_ms: int, end_ms: int, unit: str) -> bool:
        """Whether the end of a limit rests on a day of which nobody knows yet whether it is worked."""
        if NEVER in {start_ms, end_ms}:
            return False
        first, last = self.day_of(start_ms), self.day_of(end_ms - 1)
        if unit == "day":
            if self.standard.measure.day_clock.value != "next_working_day":
                return False
            first = last
        days = (last - first).days + 1
        return any(self.kind(first + timedelta(days=n))[1] for n in range(days))
