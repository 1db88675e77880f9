"""Working days, duty periods and windows of a local day, in UTC milliseconds.

A *window* is what a rule asks one full patrol of: an interval of a duty period, or the whole duty time of a day. Its *pieces* are
the stretches of duty time in it. Windows start anew in each period; a remainder under `remainder_share` of an interval joins the window
before it, a longer one is a window of its own whose figure is in proportion: with 3,600 s, 08:30-12:00 gives 08:30, 09:30, 10:30 and a
window of 30 minutes with 0.5 of the required share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gis.errors import Fault, SettingsError
from gis.public_days import public_day
from gis.standard import minutes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from gis.standard import Cadence, Calendar, RoadRule, RoundsRule, Schedule, Standard

Interval = tuple[int, int]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, exactly."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def local_ms(day: date, minutes: int, zone: ZoneInfo) -> int:
    """UTC milliseconds of a local wall time, given as minutes after midnight (1440: the next midnight)."""
    day = day + timedelta(days=minutes // 1440)
    minutes %= 1440
    return utc_ms(datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone))


def day_bounds(day: date, zone: ZoneInfo) -> Interval:
    """UTC milliseconds at which a local day begins and ends."""
    return local_ms(day, 0, zone), local_ms(day, 1440, zone)


def is_working_day(day: date, calendar: Calendar) -> bool:
    """Whether people work that day: local overrides first, then the public calendar with its make-up days."""
    return day_kind(day, calendar)[0]


def is_provisional(day: date, calendar: Calendar) -> bool:
    """Whether nobody knows yet if people work that day: its year's plan is not published, and no override names it."""
    return day_kind(day, calendar)[1]


def day_kind(day: date, calendar: Calendar) -> tuple[bool, bool]:
    """Whether people work that day, and whether that only follows the weekday for want of a published plan."""
    if day in calendar.working:
        return True, False
    if day in calendar.free:
        return False, False
    return public_day(calendar.source, day)


def add_working_days(day: date, days: int, calendar: Calendar) -> date:
    """The day that is so many working days later; zero gives the day itself."""
    while days > 0:
        day += timedelta(days=1)
        days -= is_working_day(day, calendar)
    return day


def any_provisional(first: date, last: date, calendar: Calendar) -> bool:
    """Whether any day from the first to the last (both counted) is provisional."""
    span = (last - first).days + 1
    return any(is_provisional(first + timedelta(days=n), calendar) for n in range(span))


# --- intervals ---
def parse_periods(text: str) -> tuple[str, ...]:
    """Periods of a person's duty text, `08:30-12:00,13:30-17:30` (also with ;、or Chinese commas).

    Raises:
        SettingsError: a part is no period.
    """
    for mark in ";、;,":
        text = text.replace(mark, ",")
    parts = tuple(p.strip().replace("—", "-").replace("~", "-") for p in text.split(",") if p.strip())
    faults = []
    for part in parts:
        try:
            minutes_of(part)
        except ValueError as error:
            faults.append(Fault("roster.duty", f"上班时间 {part!r} 不合规", str(error), "写作 08:30-12:00,13:30-17:30",
                                "write 08:30-12:00,13:30-17:30", column="duty"))  # fmt: skip
    if faults:
        raise SettingsError(faults)
    return parts


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Disjoint sorted intervals that cover the same time; touching ones are joined."""
    out: list[Interval] = []
    for start, end in sorted(i for i in intervals if i[1] > i[0]):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def intersect(a: Sequence[Interval], b: Sequence[Interval]) -> list[Interval]:
    """Time in both of two lists of disjoint sorted intervals."""
    out, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        start, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if end > start:
            out.append((start, end))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return out


def subtract(a: Sequence[Interval], b: Sequence[Interval]) -> list[Interval]:
    """Time in the first and not in the second of two lists of disjoint sorted intervals."""
    out: list[Interval] = []
    for start, end in a:
        at = start
        for s, e in b:
            if e <= at or s >= end:
                continue
            if s > at:
                out.append((at, s))
            at = max(at, e)
        if at < end:
            out.append((at, end))
    return out


def total_ms(intervals: Iterable[Interval]) -> int:
    """Length of disjoint intervals."""
    return sum(e - s for s, e in intervals)


# --- duty ---
def schedule_of(standard: Standard, *, role: str, unit: str, day: date) -> Schedule | None:
    """The first schedule of the standard that fits a role, a unit and the season of a day; None where none does."""
    for schedule in standard.schedules.values():
        fits = role in schedule.roles and (not schedule.units or unit in schedule.units)
        if fits and schedule.in_season(day):
            return schedule
    return None


def duty_intervals(
    standard: Standard, day: date, zone: ZoneInfo, *, role: str, unit: str = "", own: str = "", watch: bool = False
) -> list[Interval]:
    """When a person of a role is on duty that day; `own` is the person's own duty text, which goes before the schedule's periods.

    With `watch`, the hours in which silence is a doubt instead of those in which a pass counts.

    Raises:
        SettingsError: `own` holds no periods.
    """
    schedule = schedule_of(standard, role=role, unit=unit, day=day)
    if schedule is None or (schedule.days == "working" and not is_working_day(day, standard.calendar)):
        return []
    periods = (
        parse_periods(own) if own.strip() else ((schedule.watch or schedule.periods) if watch else schedule.periods)
    )
    return union((local_ms(day, s, zone), local_ms(day, e, zone)) for s, e in map(minutes_of, periods))


def rests_on_calendar(standard: Standard, rule: RoadRule | RoundsRule, day: date, *, unit: str = "") -> bool:
    """Whether what a rule asks for on a day depends on its being a working day: by the rule, or by the hours of its first role."""
    schedule = schedule_of(standard, role=rule.roles[0], unit=unit, day=day)
    return rule.calendar == "working" or (schedule is not None and schedule.days == "working")


# --- windows ---
@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """W windows with Q pieces of duty time, both in order of time.

    Attributes:
        start_ms, end_ms: int64 (W,).
        proportion: float64 (W,), share of an interval that the window is, 1 unless it is a remainder of its own.
        piece_start_ms, piece_end_ms: int64 (Q,).
        piece_window: int32 (Q,).
        piece_run: int32 (Q,), consecutive number of the stretch of time in which gaps run on: the period, or the day for daily rules.
        limit_ms: the interval within which a patrol is due (the duty time of the day for daily rules).
    """

    start_ms: npt.NDArray[np.int64]
    end_ms: npt.NDArray[np.int64]
    proportion: npt.NDArray[np.float64]
    piece_start_ms: npt.NDArray[np.int64]
    piece_end_ms: npt.NDArray[np.int64]
    piece_window: npt.NDArray[np.int32]
    piece_run: npt.NDArray[np.int32]
    limit_ms: int

    @property
    def duty_ms(self) -> int:
        """Duty time of all windows."""
        return int((self.piece_end_ms - self.piece_start_ms).sum())


def windows_of(periods: Sequence[Interval], interval_s: int | None, *, remainder_share: float) -> Windows:
    """Windows of the duty periods of a day; `interval_s` None: one window for all of them.

    A period shorter than the interval is a window of its own with the figure in proportion, since nothing lies before it.
    """
    if interval_s is None:
        pieces = [(s, e, 0, 0) for s, e in periods]
        shares = [1.0] if periods else []
        limit = total_ms(periods)
    else:
        limit = interval_s * 1000
        pieces, shares = [], []
        for run, (start, end) in enumerate(periods):
            whole, rest = divmod(end - start, limit)
            cuts = [start + limit * i for i in range(whole + 1)]
            own = rest > 0 and (whole == 0 or rest >= remainder_share * limit)
            if own:
                cuts.append(end)
            else:
                cuts[-1] = end
            for i, (s, e) in enumerate(pairwise(cuts)):
                pieces.append((s, e, len(shares), run))
                shares.append(rest / limit if own and i == whole else 1.0)
    columns = np.array(pieces, dtype=np.int64).reshape(-1, 4)
    window = columns[:, 2]
    first = np.searchsorted(window, np.arange(len(shares)))
    last = np.searchsorted(window, np.arange(len(shares)), side="right") - 1
    return Windows(
        start_ms=columns[first, 0],
        end_ms=columns[last, 1],
        proportion=np.array(shares, dtype=np.float64),
        piece_start_ms=np.ascontiguousarray(columns[:, 0]),
        piece_end_ms=np.ascontiguousarray(columns[:, 1]),
        piece_window=window.astype(np.int32),
        piece_run=columns[:, 3].astype(np.int32),
        limit_ms=limit,
    )


def community_windows(cadence: str, day: date, zone: ZoneInfo, settings: Cadence) -> list[Interval]:
    """Windows of a cadence (half_day, two_days, week) that touch a local day; they may reach before and beyond it."""
    if cadence == "half_day":
        split = settings.half_day_split.value
        noon = local_ms(day, split.hour * 60 + split.minute, zone)
        start, end = day_bounds(day, zone)
        return [(start, noon), (noon, end)]
    if cadence == "two_days":
        first = day - timedelta(days=(day - settings.two_day_epoch.value).days % 2)
        return [(local_ms(first, 0, zone), local_ms(first, 2 * 1440, zone))]
    begins = 0 if settings.week_starts.value == "monday" else 6
    first = day - timedelta(days=(day.weekday() - begins) % 7)
    return [(local_ms(first, 0, zone), local_ms(first, 7 * 1440, zone))]


def days_needed(standard: Standard, day: date) -> list[date]:
    """Local days whose evidence the audit of a day reads: back to the beginning of its week or two-day window, the day itself last."""
    back = 0
    for rule in standard.community_rules().values():
        if rule.cadence == "two_days":
            back = max(back, (day - standard.community.two_day_epoch.value).days % 2)
        elif rule.cadence == "week":
            begins = 0 if standard.community.week_starts.value == "monday" else 6
            back = max(back, (day.weekday() - begins) % 7)
    return [day - timedelta(days=n) for n in range(back, -1, -1)]
