"""Working days of China and of other countries, days whose plan is not published, and what rests on them."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest

from gis.calendar import add_working_days, any_provisional, day_kind, is_provisional, is_working_day
from gis.calendar_notes import calendar_notes, calendar_of_another_country
from gis.errors import SettingsError
from gis.public_days import calendar_named, china_years, public_day
from layers.standard_files import load_standard, parse_standard

CHINA = load_standard("xiangshan-2019")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def under(source: str, more: str = ""):
    return parse_standard(f'extends = "xiangshan-2019"\n[calendar]\nsource = "{source}"\n{more}')


def test_china_equals_chinesecalendar_on_every_day_that_it_knows() -> None:
    first, last = china_years()
    assert first == 2004
    assert last >= 2026
    days = [date(first, 1, 1) + timedelta(days=n) for n in range((date(last, 12, 31) - date(first, 1, 1)).days + 1)]
    assert [d for d in days if is_working_day(d, CHINA.calendar) != chinese_calendar.is_workday(d)] == []
    # Only the last week may still be moved, by the plan of the year after it.
    assert [d for d in days if is_provisional(d, CHINA.calendar)] == [date(last, 12, n) for n in range(25, 32)]


def test_a_year_not_published_goes_by_the_weekday_and_says_so() -> None:
    assert day_kind(date(2031, 3, 18), CHINA.calendar) == (True, True)  # a Tuesday
    assert day_kind(date(2031, 3, 15), CHINA.calendar) == (False, True)  # a Saturday: perhaps a make-up day
    assert day_kind(date(2003, 10, 1), CHINA.calendar) == (True, True)  # before the first plan that is known
    told = CHINA.calendar.model_copy(update={"free": (date(2031, 3, 18),), "working": (date(2031, 3, 15),)})
    assert day_kind(date(2031, 3, 18), told) == (False, False)
    assert day_kind(date(2031, 3, 15), told) == (True, False)
    # Friday 12 March 2032, five working days later: Friday the 19th, all of it a guess.
    assert add_working_days(date(2032, 3, 12), 5, CHINA.calendar) == date(2032, 3, 19)
    assert any_provisional(date(2026, 12, 1), date(2027, 1, 1), CHINA.calendar)
    assert not any_provisional(date(2026, 3, 1), date(2026, 3, 31), CHINA.calendar)


@pytest.mark.parametrize(
    ("source", "day", "working"),
    [
        ("US", date(2015, 4, 20), True),  # Patriots' Day is a day off in Massachusetts only
        ("US-MA", date(2015, 4, 20), False),
        ("US-MA", date(2015, 2, 16), False),  # Washington's Birthday
        ("US", date(2021, 12, 31), False),  # New Year's Day 2022 fell on a Saturday
        ("us-ma", date(2015, 10, 1), True),  # no day off outside China
        ("HU", date(2024, 12, 7), True),  # a Saturday that was worked
        ("SA", date(2026, 3, 6), False),  # Friday and Saturday are the weekend
        ("SA", date(2026, 3, 8), True),  # a Sunday
        ("none", date(2026, 10, 1), True),
        ("none", date(2028, 2, 29), True),  # a leap day, a Tuesday
        ("none", date(2026, 1, 4), False),  # a make-up day in China only
        ("chinese", date(2026, 1, 4), True),
        ("weekdays", date(2026, 1, 4), False),
    ],
)
def test_holidays_are_those_of_the_country(source: str, day: date, working: bool) -> None:
    assert is_working_day(day, under(source).calendar) is working


def test_what_is_provisional_elsewhere() -> None:
    assert public_day("US-MA", date(2050, 7, 4)) == (False, False)  # by rule, for any year
    assert not is_provisional(date(2031, 3, 18), under("none").calendar)
    assert public_day("HU", date(2031, 3, 18)) == (True, True)  # its government moves working days year by year
    # Eid al-Fitr 2029 in Singapore is an estimate (15 February): two days to either side are, the rest of the year is not.
    assert public_day("SG", date(2029, 2, 17))[1]
    assert public_day("SG", date(2029, 8, 8)) == (True, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("XX", "AD, AE, AF"),
        ("USA", "did you mean US"),
        ("US-MASS", "has no region 'MASS' (did you mean"),
        ("CN-ZJ", "china, none"),
        ("FR-99", "its regions:"),
        ("", "china, none"),
    ],
)
def test_a_country_that_does_not_exist_names_the_choices(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        under(text)
    (fault,) = caught.value.faults
    assert (fault.column, fault.row) == ("calendar.source", 3)
    assert says in fault.en
    assert says in fault.zh


def test_names_are_kept_in_one_form() -> None:
    assert [calendar_named(t) for t in ("Chinese", "CN", "weekdays", " us-ma ", "de-by", "hk")] == [
        "china",
        "china",
        "none",
        "US-MA",
        "DE-BY",
        "HK",
    ]


def test_a_calendar_of_another_country_is_told() -> None:
    new_york = ZoneInfo("America/New_York")
    assert calendar_of_another_country(CHINA.calendar, SHANGHAI) is None
    assert calendar_of_another_country(CHINA.calendar, ZoneInfo("Asia/Urumqi")) is None
    assert calendar_of_another_country(under("US-MA").calendar, new_york) is None
    assert calendar_of_another_country(under("none").calendar, new_york) is None
    assert "America/New_York" in (calendar_of_another_country(CHINA.calendar, new_york) or ("", ""))[1]
    assert "US-MA" in (calendar_of_another_country(under("US-MA").calendar, SHANGHAI) or ("", ""))[0]


def test_the_day_is_told_where_a_rule_rests_on_it() -> None:
    def codes(day: date, standard=CHINA) -> list[str]:
        return [n[0] for n in calendar_notes(day, SHANGHAI, standard)]

    assert codes(date(2031, 3, 18)) == ["calendar.beyond"]
    assert codes(date(2026, 3, 18)) == []
    every = "".join(f'[rules."{r}"]\ncalendar = "every"\n' for r in CHINA.road_rules())
    shifts = '[schedules.squad]\ndays = "every"\n'
    assert codes(date(2031, 3, 18), under("china", every + shifts)) == []
    assert codes(date(2031, 3, 18), under("china", every)) == ["calendar.beyond"]  # the squad's hours still rest on it
