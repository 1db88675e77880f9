"""Calendar, windows and disposal clocks, counted by hand (2026: New Year's make-up day Sunday 4 January; spring festival 15-23 February)."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hand_network import frame, ms, utc

from gis.calendar import (
    add_working_days,
    community_windows,
    days_needed,
    duty_intervals,
    is_working_day,
    parse_periods,
    subtract,
    union,
    windows_of,
)  # fmt: skip
from gis.clocks import WorkTime, case_clocks
from gis.errors import SettingsError
from layers.standard_files import list_standards, load_standard, parse_standard

ZONE = ZoneInfo("Asia/Shanghai")
STANDARD = load_standard("xiangshan-2019")
CASES = "case_id channel category road_class opened dispatched due closed status"


def test_working_days_with_make_up_days_and_overrides() -> None:
    calendar = STANDARD.calendar
    assert is_working_day(date(2026, 3, 18), calendar)
    assert not is_working_day(date(2026, 3, 21), calendar)
    assert is_working_day(date(2026, 1, 4), calendar)  # a Sunday on which people work
    assert not is_working_day(date(2026, 2, 18), calendar)  # a Wednesday of the spring festival
    local = calendar.model_copy(update={"free": (date(2026, 3, 18),), "working": (date(2026, 3, 21),)})
    assert not is_working_day(date(2026, 3, 18), local)
    assert is_working_day(date(2026, 3, 21), local)


def test_windows_start_anew_and_remainders_join_or_stand() -> None:
    hour = 3_600_000
    w = windows_of([(0, int(3.5 * hour)), (5 * hour, 9 * hour)], 3600, remainder_share=0.5)
    assert w.start_ms.tolist() == [0, hour, 2 * hour, 3 * hour, 5 * hour, 6 * hour, 7 * hour, 8 * hour]
    assert w.proportion.tolist() == [1, 1, 1, 0.5, 1, 1, 1, 1]
    # 3 h 20 min: a third of an hour joins the window before it.
    w = windows_of([(0, 200 * 60_000)], 3600, remainder_share=0.5)
    assert w.end_ms.tolist() == [hour, 2 * hour, 200 * 60_000]
    assert w.proportion.tolist() == [1, 1, 1]
    # A daily rule: one window with the break left out of its pieces.
    w = windows_of([(0, 2 * hour), (3 * hour, 4 * hour)], None, remainder_share=0.5)
    assert (w.start_ms.tolist(), w.end_ms.tolist(), w.duty_ms) == ([0], [4 * hour], 3 * hour)


def test_duty_by_person_season_and_unit() -> None:
    day = date(2026, 7, 15)
    summer = parse_standard(
        'extends = "xiangshan-2019"\nversion = "2"\n[schedules.summer]\nroles = ["squad_member"]\nunits = ["squad-1"]\n'
        'season_from = "06-01"\nseason_to = "09-30"\nperiods = ["08:00-11:30", "14:30-18:00"]\nreason_zh = "夏令"\nreason_en = "summer"\n'
    )
    first = duty_intervals(summer, day, ZONE, role="squad_member", unit="squad-1")
    assert first[0] == (ms("2026-07-15 08:00"), ms("2026-07-15 11:30"))
    assert duty_intervals(summer, day, ZONE, role="squad_member", unit="squad-2")[0][0] == ms("2026-07-15 08:30")
    assert duty_intervals(summer, date(2026, 3, 18), ZONE, role="squad_member", unit="squad-1")[0][0] == ms(
        "2026-03-18 08:30"
    )
    own = duty_intervals(STANDARD, day, ZONE, role="squad_member", own="13:00-21:00")
    assert own == [(ms("2026-07-15 13:00"), ms("2026-07-15 21:00"))]
    assert duty_intervals(STANDARD, date(2026, 7, 18), ZONE, role="squad_member") == []  # a Saturday


def test_duty_texts() -> None:
    assert parse_periods("08:30-12:00;13:30-17:30") == ("08:30-12:00", "13:30-17:30")
    with pytest.raises(SettingsError, match="8点到5点"):
        parse_periods("8点到5点")


def test_interval_algebra() -> None:
    assert union([(5, 7), (0, 3), (3, 4)]) == [(0, 4), (5, 7)]
    assert subtract([(0, 10)], [(2, 3), (5, 12)]) == [(0, 2), (3, 5)]


def test_community_windows() -> None:
    day = date(2026, 3, 18)  # a Wednesday, 807 days after 2024-01-01: the second day of its two
    c = STANDARD.community
    assert community_windows("half_day", day, ZONE, c)[1] == (ms("2026-03-18 12:00"), ms("2026-03-19 00:00"))
    assert community_windows("two_days", day, ZONE, c) == [(ms("2026-03-17 00:00"), ms("2026-03-19 00:00"))]
    assert community_windows("week", day, ZONE, c) == [(ms("2026-03-16 00:00"), ms("2026-03-23 00:00"))]
    assert days_needed(STANDARD, day) == [date(2026, 3, d) for d in (16, 17, 18)]


def clocks(rows: list[tuple[object, ...]], now: str) -> dict[tuple[str, str], tuple[object, str, str | None]]:
    table = case_clocks(frame(CASES, rows), STANDARD, ZONE, as_of_ms=ms(now))
    return {(r.case_id, r.clock_id): (r.due, r.outcome, r.supervision) for r in table.itertuples()}


def test_days_end_at_midnight_of_the_last_day() -> None:
    found = clocks(
        [("c1", "community", "市容秩序", None, utc("2026-03-16 10:00"), None, None, utc("2026-03-19 23:00"), "closed"),
         ("c2", "community", "市容秩序", None, utc("2026-03-16 10:00"), utc("2026-03-17 09:00"), None, None, "open"),
         ("s1", "squad", "市容秩序", None, utc("2026-03-16 10:00"), None, None, utc("2026-03-16 15:00"), "closed"),
         ("s2", "squad", "市容秩序", None, utc("2026-03-10 10:00"), None, None, None, "open")],
        "2026-03-20 12:00",
    )  # fmt: skip
    # 3 days from the 16th end with the 19th.
    assert found["c1", "community.settle"][:2] == (utc("2026-03-20 00:00"), "on_time")
    # dispatched on the 17th: the five days of the dispatch hold, not the three.
    assert found["c2", "community.enforce"][:2] == (utc("2026-03-23 00:00"), "running")
    assert ("c2", "community.settle") not in found
    # closed the same day, before anything had to be verified; whether it was settled on the spot nobody has said.
    assert [k[1] for k in found if k[0] == "s1"] == ["squad.settle", "squad.escalate"]
    assert found["s1", "squad.settle"][1] == "on_time"
    assert found["s2", "squad.verify"][1] == "no_data"  # the cases name no time of verification
    assert found["s2", "squad.settle"][:2] == (utc("2026-03-18 00:00"), "overdue")


def test_platform_limits_and_two_working_days_of_supervision() -> None:
    # Main road, market order: 2 working hours. Opened Friday 17:00: half an hour on Friday, 1.5 h on Monday from 08:30.
    opened = utc("2026-03-13 17:00")
    rows = [
        ("p1", "platform", "市容秩序", "main", opened, None, None, None, "open"),
        ("p2", "platform", "市容秩序", "main", opened, None, None, None, "suspended"),
        (
            "p3",
            "platform",
            "市容秩序",
            "main",
            opened,
            None,
            utc("2026-03-20 10:00"),
            utc("2026-03-19 10:00"),
            "closed",
        ),
        ("p4", "platform", "市容秩序", "main", opened, None, None, utc("2026-03-17 09:00"), "closed"),
    ]
    found = clocks(rows, "2026-03-18 12:00")
    due = utc("2026-03-16 10:00")
    assert found["p1", "platform.close"][:2] == (due, "overdue")
    # overdue on Monday; two working days: Tuesday and Wednesday.
    assert found["p1", "platform.close"][2] == "supervise.platform：督办中，至 2026-03-18"
    assert found["p2", "platform.close"][1] == "suspended"
    assert found["p3", "platform.close"][:2] == (utc("2026-03-20 10:00"), "running")
    assert found["p4", "platform.close"][1:] == ("late", "supervise.platform：超期结案（督办期内）")
    later = clocks(rows[:1], "2026-03-19 09:00")
    assert later["p1", "platform.close"][2] == "supervise.platform：督办逾期（2026-03-18），纳入考核"


def test_working_days_skip_a_holiday() -> None:
    # Friday 2026-02-13; Saturday the 14th is a make-up day; the festival lasts to the 23rd.
    assert add_working_days(date(2026, 2, 13), 2, STANDARD.calendar) == date(2026, 2, 24)
    time = WorkTime.of(STANDARD, ZONE)
    assert time.after_working_hours(ms("2026-03-18 11:00"), 2) == ms("2026-03-18 14:30")


def test_standard_files() -> None:
    assert list_standards() == ["xiangshan-2019"]
    assert STANDARD.rule_of_class() == {"main": "road.main", "secondary": "road.secondary", "branch": "road.branch"}
    draft = parse_standard(
        'extends = "xiangshan-2019"\nid = "draft"\nversion = "0.1"\ndraft = true\nremove = ["opinion.media"]\n[rules."road.main"]\ninterval_s = 1800\n'
    )
    assert (draft.rules["road.main"].interval_s, draft.draft) == (1800, True)
    assert draft.rules["road.main"].quote == STANDARD.rules["road.main"].quote
    assert "opinion.media" not in draft.rules


def test_every_fault_of_a_standard_at_once_with_line_and_key() -> None:
    text = 'extends = "xiangshan-2019"\n[rules."road.main"]\ninterval_s = "hourly"\nfoo = 1\n[measure.cell_m]\nvalue = -1\n'
    with pytest.raises(SettingsError) as caught:
        parse_standard(text, file="ours.toml")
    found = {(f.row, f.column) for f in caught.value.faults}
    assert found == {(3, 'rules."road.main".interval_s'), (4, 'rules."road.main".foo'), (6, "measure.cell_m.value")}


def test_an_assumption_needs_its_reason() -> None:
    with pytest.raises(SettingsError, match="reason_zh"):
        parse_standard('extends = "xiangshan-2019"\n[measure.full_patrol_share]\nreason_zh = ""\n')


def test_every_sentence_is_the_policy_s(data_root) -> None:
    policy = data_root.parent / "policy" / "xiangshan-2019.zh.md"
    if not policy.exists():
        pytest.skip("the policy's text is not at hand")
    wide = str.maketrans(",;:()", "，；：（）")  # the copy at hand is written with half-width marks
    text = policy.read_text(encoding="utf-8").translate(wide)
    parts = (
        *STANDARD.rules.values(),
        *STANDARD.clocks.values(),
        *STANDARD.supervision.values(),
        *STANDARD.requirements.values(),
    )
    assert [p.zh for p in (*parts, STANDARD.platform) if p.quote not in text] == []


def test_every_id_of_the_digest_is_there() -> None:
    rules = (
        "road.main road.secondary road.branch road.responsible grid.rounds.central grid.rounds.fringe density.central density.fringe "
        "community.small community.large community.full community.must fusion.sources opinion.sources opinion.media"
    )
    clock_ids = (
        "community.spot community.settle community.coordinate community.enforce squad.spot squad.verify squad.settle squad.escalate "
        "platform.close opinion.first"
    )
    assert set(STANDARD.rules) == set(rules.split())
    assert set(STANDARD.clocks) == set(clock_ids.split())
    assert set(STANDARD.supervision) == {"supervise.town", "supervise.squad", "supervise.platform", "supervise.higher"}
