"""When something begins and ends as offices write it: half days, clocks in words, 24时, bare dates; what is undecidable is told."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.base import Context
from etl.readers import reader_of
from etl.readers.edges import parse_edges
from etl.readers.times import TimeFault, TimeRule
from layers.city import City, Source, Standard

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = time(12)
DAY = datetime(2026, 3, 18, tzinfo=SHANGHAI)


def at(*cells, end, **rule):
    found = parse_edges(cells, TimeRule(zone=SHANGHAI, **rule), end=end, noon=lambda: NOON)
    stamps = [datetime.fromtimestamp(ms / 1000, UTC).astimezone(SHANGHAI) for ms in found.times.ms.tolist()]
    return [None if f else t for t, f in zip(stamps, found.times.fault.tolist(), strict=True)]


def hours(text, *, end, **rule):
    (found,) = at(text, end=end, **rule)
    return None if found is None else (found - DAY) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("words", "begins", "ends"),
    [
        ("2026-03-18", 0, 24),
        ("2026-03-18上午", 0, 12),
        ("2026-03-18 上午", 0, 12),
        ("2026-03-18 上 午", 0, 12),
        ("2026-03-18（上午）", 0, 12),
        ("2026年3月18日上午", 0, 12),
        ("2026年3月18号上午", 0, 12),
        ("20260318上午", 0, 12),
        ("2026/3/18 AM", 0, 12),
        ("2026.3.18ａｍ", 0, 12),
        ("2026-03-18上半天", 0, 12),
        ("2026-03-18下午", 12, 24),
        ("2026-03-18 PM", 12, 24),
        ("2026-03-18下半日", 12, 24),
        ("2026-03-18全天", 0, 24),
        ("2026-03-18 整天", 0, 24),
        ("2026-03-18中午", 12, 12),
        ("2026-03-18下午3点", 15, 15),
        ("2026-03-18 下午3:30", 15.5, 15.5),
        ("2026-03-18 下午 3点半", 15.5, 15.5),
        ("2026-03-18下午15时", 15, 15),
        ("2026-03-18上午8点", 8, 8),
        ("2026-03-18早上8点30分", 8.5, 8.5),
        ("2026-03-18中午1点", 13, 13),
        ("2026-03-18晚上8点", 20, 20),
        ("2026-03-18晚上12点", 24, 24),
        ("2026-03-18凌晨2点", 2, 2),
        ("2026-03-18 PM 3:00", 15, 15),
        ("2026-03-18 3:00 PM", 15, 15),
        ("2026-03-18 8点半", 8.5, 8.5),
        ("2026-03-18 24:00", 24, 24),
        ("2026-03-18 24时", 24, 24),
        ("20260318 0805", 8 + 5 / 60, 8 + 5 / 60),
        ("2026-03-18 08:00", 8, 8),
        ("2026-03-18+08:00", 0, 24),
    ],
)
def test_words_of_a_day(words, begins, ends):
    assert hours(words, end=False) == pytest.approx(begins)
    assert hours(words, end=True) == pytest.approx(ends)


@pytest.mark.parametrize(
    "words",
    ["2026-03-18半天", "2026-03-18 半日", "2026-03-18早上", "2026-03-18晚上", "2026-03-18夜间", "2026-03-18凌晨", "2026-03-18傍晚",
     "2026-03-18上午15点", "2026-03-18晚上3点", "2026-03-18凌晨9点", "2026-03-18 0.5天"],
)  # fmt: skip
def test_what_words_alone_do_not_decide_is_told(words):
    for end in (False, True):
        found = parse_edges([words], TimeRule(zone=SHANGHAI), end=end, noon=lambda: NOON)
        assert found.unclear[0]
        assert found.times.fault[0] == TimeFault.UNPARSABLE


@pytest.mark.parametrize(
    "words", ["2026-02-30上午", "上午", "18日上午", "2026-03-18上下午", "2026-03-18 25:00", "2026-03-18 24:30"]
)
def test_what_is_no_time_stays_unread(words):
    assert hours(words, end=True) is None


def test_declared_formats_and_days_on_which_clocks_change():
    assert hours("18.03.2026", end=True, format="%d.%m.%Y") == 24
    assert hours("18.03.2026上午", end=True, format="%d.%m.%Y") == 12
    assert hours("2026-03-18 08.30", end=True, format="%Y-%m-%d %H.%M") == 8.5
    york = TimeRule(zone=ZoneInfo("America/New_York"))
    found = parse_edges(["2026-03-08"], york, end=True, noon=lambda: NOON)  # a day of 23 hours
    assert found.times.ms[0] == datetime(2026, 3, 9, 4, tzinfo=UTC).timestamp() * 1000


@given(
    st.dates(date(1991, 1, 1), date(2090, 1, 1)),
    st.times(time(1), time(23)).map(lambda t: t.replace(second=0, microsecond=0)),
)
def test_two_halves_are_the_day(day, noon):
    text = [f"{day}上午", f"{day}下午", f"{day}"]
    rule = TimeRule(zone=SHANGHAI)
    begins, ends = (parse_edges(text, rule, end=end, noon=lambda: noon).times.ms.tolist() for end in (False, True))
    assert ends[0] == begins[1]  # noon
    assert (begins[0], ends[1]) == (begins[2], ends[2])


def table(tmp_path, name, text, *, persons=None):
    (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    city = City(path=tmp_path / "city.toml", id="t", name="试", standard=Standard(name="xiangshan-2019"))
    people = pd.DataFrame({"person_id": ["p1"], "name": ["张三"], "unit_id": [None]}) if persons is None else persons
    return reader_of(name)(Source(name=name, table=name, path=f"{name}.csv"), Context(city, tables={"persons": people}))


def span(row, start, stop):
    return tuple((t.tz_convert(SHANGHAI) - DAY) / timedelta(hours=1) for t in (row[start], row[stop]))


def test_half_days_in_leave_rosters_assignments_and_duties(tmp_path):
    leave = "类型,姓名,开始,结束,原因,批准人,登记时间\n"
    leave += "请假,张三,2026-03-18上午,2026-03-18上午,事假,赵,2026-03-17 10:00\n"
    leave += "请假,张三,2026-03-18下午,2026-03-18下午,事假,赵,2026-03-17 10:00\n"
    leave += "请假,张三,2026-03-18下午,2026-03-19上午,事假,赵,2026-03-17 10:00\n"
    leave += "请假,张三,2026-03-18,2026-03-18半天,事假,赵,2026-03-17 10:00\n"
    leave += "请假,张三,2026-03-18下午,2026-03-18上午,事假,赵,2026-03-17 10:00\n"
    found = table(tmp_path, "exceptions", leave)
    assert [span(r, "starts", "ends") for _, r in found.frame.iterrows()] == [(0, 12), (12, 24), (12, 36)]
    assert found.quarantine["code"].tolist() == ["day_part_unclear", "order_wrong"]
    assert "半天" in found.quarantine["zh"].iloc[0]
    assert any("12:00" in n.zh for n in found.record.notes)
    carried = table(tmp_path, "assignments", "设备号,姓名,领用时间,归还时间\nd1,张三,2026-03-18上午,2026-03-18上午\n")
    assert span(carried.frame.iloc[0], "valid_from", "valid_to") == (0, 12)
    persons = "工号,姓名,职务,入职日期,离职日期\np1,张三,队员,2026-03-18下午,2026-03-18下午\n"
    assert span(table(tmp_path, "persons", persons).frame.iloc[0], "valid_from", "valid_to") == (12, 24)
    duties = "责任路段,责任人,生效日期,失效日期\n人民路,张三,2026-03-18上午,2026-03-18 下午\n"
    assert span(table(tmp_path, "responsibilities", duties).frame.iloc[0], "valid_from", "valid_to") == (0, 24)


def test_half_a_day_is_no_moment_of_a_check_in_or_a_position(tmp_path):
    text = "person_id,place_name,time\np1,菜场,2026-03-18上午\np1,菜场,2026-03-18上午9:00\n"
    found = table(tmp_path, "checkins", text)
    assert len(found.frame) == 1
    assert found.quarantine["code"].tolist() == ["time_unparsable"]
