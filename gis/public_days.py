"""Public working days of a country: China's with its make-up days, any other that python-holidays knows, or Monday to Friday alone.

Whether a day is worked is always answered. Where a year's plan is not published yet (or lies before the first that is known), the answer
follows the weekday and is *provisional*: it says so, and is never wrong in silence.
"""

from __future__ import annotations

import difflib
import re
import warnings
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import chinese_calendar
import holidays

CHINA, NONE = "china", "none"
_CHINA_WORDS = {"china", "chinese", "cn"}
_NONE_WORDS = {"none", "weekdays"}
_SATURDAY = 5
_TURN = timedelta(days=7)
"""The plan of a year may move days at the end of the year before it (2018-12-29 was worked for 2019-01-01)."""
_NEAR = timedelta(days=2)
"""A holiday whose date is an estimate (of a moon not seen yet) may fall so many days to either side."""

Answer = tuple[bool, bool]


def calendar_named(text: str) -> str:
    """The name of a calendar as it is kept: `china`, `none`, or a country's ISO code with its region (`US`, `US-MA`).

    Raises:
        ValueError: no such country or region; the message names the choices.

    Examples:
        >>> calendar_named("us-ma")
        'US-MA'
    """
    word = text.strip()
    if word.lower() in _CHINA_WORDS:
        return CHINA
    if word.lower() in _NONE_WORDS:
        return NONE
    country, _, region = word.partition("-")
    country = country.upper()
    known = _countries()
    if country not in known or country == "CN":
        message = f"{word!r} is no calendar{_like(country, known)}; china, none, or the ISO code of a country: {', '.join(sorted(known))}"
        raise ValueError(message)
    if not region:
        return country
    regions = {r.upper(): r for r in known[country]}
    if region.upper() not in regions:
        have = ", ".join(regions.values()) or "none"
        message = f"{country} has no region {region!r}{_like(region.upper(), regions)}; its regions: {have}"
        raise ValueError(message)
    return f"{country}-{regions[region.upper()]}"


def _countries() -> dict[str, list[str]]:
    return holidays.list_supported_countries(include_aliases=False)


def _like(word: str, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def public_day(source: str, day: date) -> Answer:
    """Whether people work that day, and whether that is provisional (see above).

    Args:
        source: as `calendar_named` gives it.
        day: local day.
    """
    if source == NONE:
        return day.weekday() < _SATURDAY, False
    if source == CHINA:
        return _china(day)
    free, worked, guessed = _year_of(source, day.year)
    return day in worked or day not in free, day in guessed


def _china(day: date) -> Answer:
    first, last = china_years()
    if not first <= day.year <= last:
        return day.weekday() < _SATURDAY, True
    return bool(chinese_calendar.is_workday(day)), day > date(last, 12, 31) - _TURN


@lru_cache(maxsize=1)
def china_years() -> tuple[int, int]:
    """First and last year whose plan the installed calendar of China knows."""
    years = {int(d.year) for d in chinese_calendar.constants.holidays}
    return min(years), max(years)


@lru_cache(maxsize=256)
def _year_of(source: str, year: int) -> tuple[frozenset[date], frozenset[date], frozenset[date]]:
    """Of a country's year: days off, weekend days that are worked, and days of which the plan is not known."""
    country, _, region = source.partition("-")
    with warnings.catch_warnings():  # that a region got a newer code is no matter of ours
        warnings.simplefilter("ignore", DeprecationWarning)
        found = holidays.country_holidays(country, subdiv=region or None, years=(year - 1, year, year + 1))
    days = [date(year, 1, 1) + timedelta(days=n) for n in range((date(year, 12, 31) - date(year, 1, 1)).days + 1)]
    worked = frozenset(d for d in days if found.is_working_day(d))
    free = frozenset(days) - worked
    first, last = _published(found)
    if not first <= year <= last:
        return frozenset(d for d in days if found.is_weekend(d)), frozenset(), frozenset(days)
    turn = date(last, 12, 31) - _TURN if _moves_days(found) else date.max
    guessed = {d for d in days if d > turn}
    for holiday in _estimated(found):
        guessed |= {d for d in days if abs(d - holiday) <= _NEAR}
    return free, worked, frozenset(guessed)


def _moves_days(found: Any) -> bool:
    """Whether a country's government moves working days year by year."""
    return bool(getattr(found, "has_substituted_holidays", False))


def _published(found: Any) -> tuple[int, int]:
    """Years of which the plan is known: all that the rules hold for, or those that a government has published."""
    last = int(found.end_year)
    if _moves_days(found):
        named = [
            max(years)
            for name in dir(found)
            if name.startswith("special_")
            and name.endswith("_holidays")
            and isinstance(years := getattr(found, name), dict)
            and years
        ]
        last = min(last, max(named, default=last))
    return int(found.start_year), last


def _estimated(found: Any) -> list[date]:
    """Holidays whose date is an estimate, which their names say (`Eid al-Fitr (estimated)`)."""
    label = re.sub(r"%s|[()（）\s]+", " ", str(getattr(found, "estimated_label", "") or "")).strip()
    return [d for d, name in found.items() if label and label in name]
