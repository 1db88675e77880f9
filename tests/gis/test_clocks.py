"""Disposal clocks counted by hand: which deadline decides, what cannot be decided, and clocks that can all be late."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hand_network import frame, ms, utc
from hypothesis import given
from hypothesis import strategies as st

from gis.case_times import bad_deadlines, impossible_orders
from gis.clock_notes import clock_notes
from gis.clocks import case_clocks, clock_summary, closing_outcomes
from gis.work_time import NEVER, WorkTime
from layers.standard_files import load_standard, parse_standard

SHANGHAI = ZoneInfo("Asia/Shanghai")
BOSTON = ZoneInfo("America/New_York")
STANDARD = load_standard("xiangshan-2019")
CASES = (
    "case_id channel category road_class unit_id opened dispatched verified due instructed_due closed on_spot status"
)
NAMES = CASES.split()
MARKET = {"category": "市容秩序", "road_class": "main"}  # 2 working hours by the table of limits


def cases(*rows: dict[str, object], zone: ZoneInfo = SHANGHAI) -> pd.DataFrame:
    """Cases from what differs; texts of times are local."""
    out = []
    for row in rows:
        given = {"category": None, "status": "closed" if row.get("closed") else "open", **row}
        times = {k: pd.Timestamp(str(v), tz=zone).tz_convert("UTC") for k, v in given.items() if k in NAMES[5:11] and v}
        out.append(tuple({**dict.fromkeys(NAMES), **given, **times}[n] for n in NAMES))
    return frame(CASES, out)


def clocks(*rows: dict[str, object], now: str, zone: ZoneInfo = SHANGHAI, standard=STANDARD) -> pd.DataFrame:
    as_of = int(pd.Timestamp(now, tz=zone).timestamp() * 1000)
    return case_clocks(cases(*rows, zone=zone), standard, zone, as_of_ms=as_of).set_index(["case_id", "clock_id"])


def one(row: dict[str, object], clock: str, *, now: str = "2026-03-31 00:00", **more: object) -> pd.Series:
    return clocks({"case_id": "c", **row}, now=now, **more).loc[("c", clock)]


COMMUNITY = {"channel": "community", "opened": "2026-03-16 09:00"}  # three days: to the end of Thursday the 19th
SQUAD = {
    "channel": "squad",
    "opened": "2026-03-16 09:00",
}  # verified to the end of the 17th, closed to the end of the 23rd


# --- two deadlines ---
@pytest.mark.parametrize(
    ("closed", "due", "now", "clause", "file"),
    [
        ("2026-03-18 10:00", "2026-03-17 18:00", "2026-03-31 00:00", "on_time", "late"),
        ("2026-03-21 10:00", "2026-03-25 18:00", "2026-03-31 00:00", "late", "on_time"),
        (
            None,
            "2026-03-25 18:00",
            "2026-03-22 00:00",
            "overdue",
            "running",
        ),  # past the clause, within the later date of the file
        (None, "2026-03-17 18:00", "2026-03-19 00:00", "running", "overdue"),  # and the reverse
        ("2026-03-18 10:00", None, "2026-03-31 00:00", "on_time", None),
    ],
)
def test_the_clause_decides_and_the_file_stands_beside(closed, due, now, clause, file) -> None:
    row = one({**COMMUNITY, "closed": closed, "due": due}, "community.settle", now=now)
    assert (row["outcome"], row["decided_by"]) == (clause, "clause")
    assert row["due"] == row["due_clause"] == utc("2026-03-20 00:00")
    assert (row["outcome_clause"], row["outcome_file"]) == (clause, file)
    assert pd.isna(row["due_file"]) if due is None else row["due_file"] == utc(due)
    assert bool(row["supervision"]) == (clause in {"late", "overdue"})


def test_a_table_that_only_stands_in_gives_way_to_the_file() -> None:
    row = {
        "channel": "platform",
        **MARKET,
        "opened": "2026-03-16 09:00",
        "due": "2026-03-18 09:00",
        "closed": "2026-03-17 09:00",
    }
    found = one(row, "platform.close")
    assert (found["outcome"], found["decided_by"]) == ("on_time", "case_file")
    assert (found["due_clause"], found["outcome_clause"]) == (utc("2026-03-16 11:00"), "late")
    alone = one({**row, "due": None}, "platform.close")
    assert (alone["outcome"], alone["decided_by"]) == ("late", "limits")
    own = parse_standard('extends = "xiangshan-2019"\n[platform]\nassumption = false\n')  # the county's real table
    found = one(row, "platform.close", standard=own)
    assert (found["outcome"], found["decided_by"], found["outcome_file"]) == ("late", "limits", "on_time")


def test_a_leader_s_instruction_goes_before_all_where_the_clause_says_so() -> None:
    opinion = {"channel": "opinion", "opened": "2026-03-01 09:00", "closed": "2026-03-20 12:00"}
    assert one(opinion, "opinion.first")[["outcome", "decided_by"]].tolist() == ["on_time", "clause"]
    told = one({**opinion, "instructed_due": "2026-03-11 00:00"}, "opinion.first")  # to the end of the 10th
    assert told[["outcome", "decided_by", "outcome_clause"]].tolist() == ["late", "instruction", "on_time"]
    later = one(
        {**opinion, "closed": "2026-04-20 12:00", "instructed_due": "2026-05-01"}, "opinion.first", now="2026-04-30"
    )
    assert later[["outcome", "decided_by", "outcome_clause"]].tolist() == ["on_time", "instruction", "late"]
    nonsense = one({**opinion, "instructed_due": "2026-02-01"}, "opinion.first")
    assert nonsense[["outcome", "decided_by", "cause"]].tolist() == ["on_time", "clause", "instruction_before_opened"]
    settle = one({**COMMUNITY, "closed": "2026-03-18 10:00", "instructed_due": "2026-03-17"}, "community.settle")
    assert settle["decided_by"] == "clause"  # the clause of communities knows no instruction


def test_a_deadline_before_the_opening_is_not_used() -> None:
    row = {
        "channel": "platform",
        **MARKET,
        "opened": "2026-03-16 09:00",
        "due": "2026-03-10 09:00",
        "closed": "2026-03-16 10:00",
    }
    found = one(row, "platform.close")
    assert found[["outcome", "decided_by", "outcome_file", "cause"]].tolist() == [
        "on_time",
        "limits",
        "impossible",
        "due_before_opened",
    ]
    same_day = one(
        {**COMMUNITY, "due": "2026-03-17 00:00", "closed": "2026-03-16 18:00"}, "community.settle"
    )  # the day of the opening, a bare date
    assert (same_day["outcome_file"], same_day["cause"]) == ("on_time", None)


# --- edges ---
def test_closed_at_the_very_deadline_is_on_time() -> None:
    at_midnight = one(
        {**COMMUNITY, "closed": "2026-03-20 00:00"}, "community.settle"
    )  # the deadline is 24:00 of the 19th
    assert at_midnight["closed"] == at_midnight["due"]
    assert at_midnight["outcome"] == "on_time"
    assert one({**COMMUNITY, "closed": "2026-03-20 00:00:01"}, "community.settle")["outcome"] == "late"
    market = {"channel": "platform", **MARKET, "opened": "2026-03-16 09:00"}  # due at 11:00
    assert one({**market, "closed": "2026-03-16 11:00"}, "platform.close")["outcome"] == "on_time"
    assert one({**market, "closed": "2026-03-16 11:00:01"}, "platform.close")["outcome"] == "late"
    assert one(market, "platform.close", now="2026-03-16 11:00")["outcome"] == "running"
    assert one(market, "platform.close", now="2026-03-16 11:00:01")["outcome"] == "overdue"


def test_a_day_without_its_hour_is_late_only_where_every_hour_of_it_is() -> None:
    market = {"channel": "platform", **MARKET, "opened": "2026-03-16 09:00"}  # due at 11:00 of the 16th
    day = {**market, "closed": "2026-03-17 00:00"}  # the 16th, as its reader stores a bare date
    assert one(day, "platform.close")[["outcome", "cause"]].tolist() == ["no_data", "day_only"]
    assert one({**market, "closed": "2026-03-18 00:00"}, "platform.close")["outcome"] == "late"  # the 17th
    assert (
        one({**COMMUNITY, "closed": "2026-03-20 00:00"}, "community.settle")["outcome"] == "on_time"
    )  # the 19th, the last day
    assert one({**COMMUNITY, "closed": "2026-03-21 00:00"}, "community.settle")["outcome"] == "late"  # the 20th
    assert (
        one({**COMMUNITY, "closed": "2026-03-17 00:00"}, "community.settle")["outcome"] == "on_time"
    )  # the day of the opening


# --- orders that cannot be ---
@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ({"closed": "2026-03-10 10:00"}, "closed_before_opened"),
        ({"closed": "2026-03-16 00:00"}, "closed_before_opened"),  # the 15th, the day before
        ({"closed": "2026-03-17 00:00"}, ""),  # the 16th: a day, not its midnight
        ({"closed": "2026-03-16 09:00"}, ""),  # at once
        ({"dispatched": "2026-03-15 10:00", "closed": "2026-03-17 10:00"}, "dispatched_before_opened"),
        ({"dispatched": "2026-03-16 00:00", "closed": "2026-03-17 10:00"}, ""),  # dispatched on the day of the opening
        ({"dispatched": "2026-03-15 00:00"}, "dispatched_before_opened"),  # all of the 15th lies before
        ({"verified": "2026-03-15 10:00"}, "verified_before_opened"),
        ({"verified": "2026-03-18 10:00", "closed": "2026-03-17 10:00"}, "closed_before_verified"),
        (
            {"verified": "2026-03-18 00:00", "closed": "2026-03-17 10:00"},
            "",
        ),  # verified on the 17th, the day of the closing
        ({"dispatched": "2026-03-18 10:00", "closed": "2026-03-17 10:00"}, "closed_before_dispatched"),  # opened again
        ({"dispatched": "2026-03-17 12:00", "closed": "2026-03-18 00:00"}, ""),
        ({"closed": "2026-03-17 10:00", "status": "open"}, "open_but_closed"),
        ({}, ""),
    ],
)
def test_impossible_orders_are_not_judged(row: dict[str, object], cause: str) -> None:
    squad = {"case_id": "s", **SQUAD, **row}
    assert impossible_orders(cases(squad), SHANGHAI).tolist() == [cause]
    found = clocks(squad, now="2026-03-31 00:00").drop(index=("s", "squad.escalate"))
    judged = set(found["outcome"]) - {"impossible"}
    if cause:
        assert not judged
        assert set(found["cause"]) == {cause}
        assert set(found["outcome_clause"]) == {"impossible"}
        assert found["supervision"].isna().all()
    else:
        assert judged


def test_what_is_not_known_yet_contradicts_nothing() -> None:
    row = {"case_id": "c", **COMMUNITY, "dispatched": "2026-03-25 10:00", "closed": "2026-03-20 10:00"}
    assert clocks(row, now="2026-03-18 00:00").loc[("c", "community.settle"), "outcome"] == "running"
    assert clocks(row, now="2026-03-26 00:00").loc[("c", "community.enforce"), "cause"] == "closed_before_dispatched"


def test_a_closed_case_without_its_time_is_no_overdue_one() -> None:
    row = one({**COMMUNITY, "status": "closed"}, "community.settle")
    assert row[["outcome", "cause"]].tolist() == ["no_data", "closed_without_time"]
    assert pd.isna(row["supervision"])
    assert one({**COMMUNITY, "status": "suspended"}, "community.settle")["outcome"] == "suspended"


# --- clocks that can be late ---
def test_verification_is_judged_by_its_own_time() -> None:
    rows = [
        {"case_id": "in", **SQUAD, "dispatched": "2026-03-16 09:05", "verified": "2026-03-17 18:00"},
        {"case_id": "late", **SQUAD, "dispatched": "2026-03-16 09:05", "verified": "2026-03-18 08:00"},
        {"case_id": "never", **SQUAD, "dispatched": "2026-03-16 09:05"},
        {"case_id": "soon", **SQUAD, "closed": "2026-03-17 12:00"},  # settled before it had to be verified
        {"case_id": "past", **SQUAD, "closed": "2026-03-19 12:00"},  # settled later, never verified
        {"case_id": "before", **SQUAD, "opened": "2026-03-01 09:00"},  # verifications were not recorded yet
    ]
    found = clocks(*rows, now="2026-03-20 12:00")["outcome"].xs("squad.verify", level=1)
    assert found.to_dict() == {
        "in": "on_time",
        "late": "late",
        "never": "overdue",
        "past": "overdue",
        "before": "no_data",
    }
    assert clocks(*rows, now="2026-03-17 12:00").loc[("never", "squad.verify"), "outcome"] == "running"


def test_without_any_verification_there_is_no_data() -> None:
    rows = [
        {"case_id": "a", **SQUAD, "dispatched": "2026-03-16 09:05"},
        {"case_id": "b", **SQUAD, "dispatched": "2026-03-16 09:05", "closed": "2026-03-19 12:00"},
    ]
    found = clocks(*rows, now="2026-03-31 00:00")
    assert found.loc[("a", "squad.verify"), ["outcome", "cause"]].tolist() == ["no_data", "no_verification"]
    assert found.loc[("b", "squad.verify"), ["outcome", "cause"]].tolist() == ["no_data", "no_verification"]
    assert found.loc[("a", "squad.settle"), "outcome"] == "overdue"


@pytest.mark.parametrize("channel", ["squad", "community"])
def test_what_is_marked_as_settled_on_the_spot_is_due_the_same_day(channel: str) -> None:
    base = {"channel": channel, "opened": "2026-03-16 22:00", "on_spot": True}
    key = f"{channel}.spot"
    assert one({**base, "closed": "2026-03-16 23:10"}, key)["outcome"] == "on_time"
    assert one({**base, "closed": "2026-03-17 00:00"}, key)["outcome"] == "on_time"  # a bare date: the 16th
    assert one({**base, "closed": "2026-03-17 09:00"}, key)["outcome"] == "late"
    assert one(base, key, now="2026-03-16 23:00")["outcome"] == "running"
    assert one(base, key)["outcome"] == "overdue"
    only = clocks({"case_id": "c", **base}, now="2026-03-31 00:00")
    assert only.index.get_level_values(1).tolist() == [key]
    for mark in (False, None):
        rest = clocks({"case_id": "c", **base, "on_spot": mark, "closed": "2026-03-16 22:00"}, now="2026-03-31 00:00")
        assert key not in rest.index.get_level_values(1)
        assert rest.loc[("c", f"{channel}.settle"), "outcome"] == "on_time"


# --- working time ---
def hours(start: str, amount: float, standard=STANDARD, unit: str = "") -> str:
    time = WorkTime.of(standard, SHANGHAI)
    end = time.after_working_hours(ms(start), amount, unit)
    return pd.Timestamp(end, unit="ms", tz="UTC").tz_convert(SHANGHAI).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        ("2026-03-18 12:30", 2, "03-18 15:30"),  # opened at lunch: from 13:30
        ("2026-03-18 11:30", 1, "03-18 14:00"),
        ("2026-03-18 23:00", 1, "03-19 09:30"),  # at night
        ("2026-03-22 10:00", 2, "03-23 10:30"),  # on a Sunday
        ("2026-03-18 08:30", 7.5, "03-18 17:30"),  # the whole day
        ("2026-02-13 17:00", 1, "02-14 09:00"),  # Saturday the 14th is a make-up day
        ("2026-02-14 17:00", 1, "02-24 09:00"),  # the Spring Festival lasts to the 23rd
    ],
)
def test_working_hours(start: str, amount: float, end: str) -> None:
    assert hours(start, amount) == end


def test_working_hours_of_a_unit_and_of_nobody() -> None:
    night = parse_standard(
        'extends = "xiangshan-2019"\nversion = "2"\n[schedules.night]\nroles = ["squad_member"]\nunits = ["night"]\n'
        'periods = ["18:00-24:00"]\nreason_zh = "夜班"\nreason_en = "nights"\n'
    )
    assert hours("2026-03-18 12:30", 2, night, "night") == "03-18 20:00"
    assert hours("2026-03-18 12:30", 2, night, "day") == "03-18 15:30"
    row = {"channel": "platform", **MARKET, "opened": "2026-03-18 12:30", "unit_id": "night"}
    assert one(row, "platform.close", standard=night)["due"] == utc("2026-03-18 20:00")
    nobody = parse_standard('extends = "xiangshan-2019"\nremove = ["squad"]\n')
    assert WorkTime.of(nobody, SHANGHAI).after_working_hours(ms("2026-03-18 12:30"), 2) == NEVER
    assert one(row, "platform.close", standard=nobody)["outcome"] == "no_figure"


def test_a_last_day_off_moves_on_only_where_the_standard_says_so() -> None:
    thursday = {"channel": "community", "opened": "2026-03-12 09:00"}  # three days: Sunday the 15th
    assert one(thursday, "community.settle")["due"] == utc("2026-03-16 00:00")
    moved = parse_standard('extends = "xiangshan-2019"\n[measure.day_clock]\nvalue = "next_working_day"\n')
    assert one(thursday, "community.settle", standard=moved)["due"] == utc("2026-03-17 00:00")
    festival = {"channel": "community", "opened": "2026-02-12 09:00"}  # Sunday 15 February, the festival's first day
    assert one(festival, "community.settle", standard=moved)["due"] == utc("2026-02-25 00:00")
    leap = {"channel": "community", "opened": "2028-02-28 09:00"}
    assert one(leap, "community.settle", now="2028-03-31")["due"] == utc("2028-03-03 00:00")


def test_days_of_a_clock_change_in_boston() -> None:
    # Clocks go forward on Sunday 2015-03-08: that day has 23 hours. Three days from Thursday end with it, at 04:00 UTC.
    row = {"channel": "community", "opened": "2015-03-05 09:00", "closed": "2015-03-09 00:00"}
    found = one(row, "community.settle", now="2015-03-31", zone=BOSTON)
    assert found["due"] == pd.Timestamp("2015-03-09T04:00Z")
    assert found["outcome"] == "on_time"
    day = {
        "channel": "platform",
        **MARKET,
        "opened": "2015-03-08 09:00",
        "closed": "2015-03-09 00:00",
    }  # a bare Sunday of 23 hours
    assert one(day, "platform.close", now="2015-03-31", zone=BOSTON)["outcome"] == "on_time"
    massachusetts = parse_standard('extends = "xiangshan-2019"\n[calendar]\nsource = "US-MA"\n')
    other = {
        "channel": "platform",
        "category": "x",
        "road_class": "main",
        "opened": "2015-04-17 09:00",
    }  # one working day
    assert one(other, "platform.close", now="2015-04-30", zone=BOSTON, standard=massachusetts)["due"] == pd.Timestamp(
        "2015-04-22T04:00Z"
    )
    assert one(other, "platform.close", now="2015-04-30", zone=BOSTON)["due"] == pd.Timestamp(
        "2015-04-21T04:00Z"
    )  # China knows no Patriots' Day


def test_a_due_date_beyond_the_published_years_is_provisional() -> None:
    late = {
        "channel": "platform",
        "category": "规划建设",
        "opened": "2031-03-18 09:00",
    }  # ten working days by the weekday
    row = one(late, "platform.close", now="2031-04-30")
    assert (row["due"], row["provisional"]) == (utc("2031-04-02 00:00"), True)
    assert not one({**COMMUNITY, "opened": "2031-03-18 09:00"}, "community.settle", now="2031-04-30")[
        "provisional"
    ]  # calendar days
    filed = one({**late, "opened": "2026-03-18 09:00"}, "platform.close")
    assert not filed["provisional"]
    # Limits that reach over the turn of the last year do; the audit goes on.
    turn = one({**late, "opened": "2026-12-22 09:00"}, "platform.close", now="2026-12-31")
    assert (turn["outcome"], turn["provisional"]) == ("running", True)


# --- sums and notes ---
def test_notes_list_what_is_not_judged() -> None:
    rows = [
        {"case_id": "x1", **COMMUNITY, "closed": "2026-03-10 10:00"},
        {"case_id": "x2", **SQUAD, "closed": "2026-03-10 10:00"},
        {"case_id": "ok", **COMMUNITY, "due": "2026-03-17 18:00", "closed": "2026-03-18 10:00", "on_spot": False},
        {"case_id": "bad", **COMMUNITY, "due": "2026-03-01 18:00", "on_spot": False},
        {"case_id": "late", **SQUAD, "opened": "2026-04-16 09:00", "closed": "2026-03-10 10:00"},  # not opened yet
    ]
    table, as_of = cases(*rows), ms("2026-03-20 12:00")
    found = case_clocks(table, STANDARD, SHANGHAI, as_of_ms=as_of)
    notes = {(n[0], n[1]): n for n in clock_notes(table, found, STANDARD, SHANGHAI, as_of_ms=as_of) if n[2]}
    assert notes["case.impossible", "closed_before_opened"][2:] == (
        2, "件案件结案早于立案，不予判定：x1、x2", "cases closed before they were opened; not judged: x1, x2",
    )  # fmt: skip
    assert notes["case.deadline_impossible", "due_before_opened"][3].endswith("bad")
    assert notes["clock.two_deadlines", "file_only"][2] == 1
    assert notes["clock.no_spot_mark", "community.spot"][2] == 1
    assert ("clock.two_deadlines", "clause_only") not in notes
    assert closing_outcomes(found, STANDARD).to_dict() == {
        "x1": "impossible",
        "x2": "impossible",
        "ok": "on_time",
        "bad": "overdue",
    }
    assert sum(clock_summary(found).values()) == len(found)
    many = cases(*({"case_id": f"n{i:02d}", **COMMUNITY, "closed": "2026-03-10 10:00"} for i in range(30)))
    (note,) = (n for n in clock_notes(many, case_clocks(many, STANDARD, SHANGHAI, as_of_ms=as_of), STANDARD, SHANGHAI, as_of_ms=as_of)
               if n[0] == "case.impossible" and n[2])  # fmt: skip
    assert note[3].endswith("n19 等 30 件")
    assert note[4].endswith("n19 and 10 more")


def test_no_cases_at_all() -> None:
    none = frame(CASES, [])
    found = case_clocks(none, STANDARD, SHANGHAI, as_of_ms=ms("2026-03-20 12:00"))
    assert len(found) == 0
    assert not [n for n in clock_notes(none, found, STANDARD, SHANGHAI, as_of_ms=ms("2026-03-20 12:00")) if n[2]]
    assert not bad_deadlines(none, SHANGHAI)["due"].any()


_MINUTES = st.integers(0, 20 * 1440)
_MAYBE = st.none() | _MINUTES


@given(
    channel=st.sampled_from(["community", "squad", "platform", "opinion"]), opened=_MINUTES, dispatched=_MAYBE, verified=_MAYBE, due=_MAYBE,
    instructed=_MAYBE, closed=_MAYBE, later=st.integers(0, 5 * 1440), on_spot=st.none() | st.booleans(),
    status=st.sampled_from(["open", "closed", "suspended"]), source=st.sampled_from(["china", "none", "US-MA"]),
)  # fmt: skip
def test_every_clock_says_which_deadline_it_took(
    *, channel, opened, dispatched, verified, due, instructed, closed, later, on_spot, status, source
) -> None:
    def when(minute: int | None) -> str | None:
        return None if minute is None else str(pd.Timestamp("2026-03-01") + pd.Timedelta(minutes=minute))

    row = {"case_id": "c", "channel": channel, **MARKET, "opened": when(opened), "dispatched": when(dispatched), "verified": when(verified),
           "due": when(due), "instructed_due": when(instructed), "closed": when(closed), "on_spot": on_spot, "status": status}  # fmt: skip
    standard = parse_standard(f'extends = "xiangshan-2019"\n[calendar]\nsource = "{source}"\n')
    now = "2026-04-30"
    found = clocks(row, now=now, standard=standard).reset_index()
    beside = {"clause": "outcome_clause", "limits": "outcome_clause", "case_file": "outcome_file"}
    for r in found.itertuples():
        assert (r.decided_by is None) == pd.isna(r.due)
        if r.decided_by in beside:
            assert r.outcome == getattr(r, beside[r.decided_by])
            assert r.due == {"case_file": r.due_file}.get(r.decided_by, r.due_clause)
        if r.outcome in {"late", "overdue", "on_time"}:
            assert not pd.isna(r.due)
            assert not r.cause or r.cause.endswith("_before_opened")
        if r.outcome in {"no_data", "impossible"}:
            assert r.cause
    # A later closing never turns what was late into what was in time.
    if closed is not None and not impossible_orders(cases(row), SHANGHAI)[0]:
        again = clocks({**row, "closed": when(closed + later)}, now=now, standard=standard)["outcome"]
        before = found.set_index(["case_id", "clock_id"])["outcome"]
        both = before.index.intersection(again.index)
        assert not ((before[both] == "late") & (again[both] == "on_time")).any()


def test_a_date_in_the_past_of_every_calendar() -> None:
    row = {"channel": "platform", "category": "规划建设", "opened": "2003-03-18 09:00"}
    assert one(row, "platform.close", now="2003-04-30")["provisional"]
