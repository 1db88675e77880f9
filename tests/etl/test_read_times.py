"""Times: every form that is read, every doubt that is told apart, and the round trip of whole columns."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.readers.times import TimeFault, TimeRule, local_to_utc, parse_times

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


def ms(*parts, zone=SHANGHAI):
    return round(datetime(*parts, tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-18T08:05:09+08:00", ms(2026, 3, 18, 8, 5, 9)),
        ("2026-03-18 08:05:09.250+0800", ms(2026, 3, 18, 8, 5, 9) + 250),
        ("2026-03-18T00:05:09Z", ms(2026, 3, 18, 8, 5, 9)),
        ("2026-03-17T19:05:09-05:00", ms(2026, 3, 18, 8, 5, 9)),
        ("2026-03-18 08:05:09", ms(2026, 3, 18, 8, 5, 9)),
        ("2026/3/18 8:05", ms(2026, 3, 18, 8, 5)),
        ("2026.3.18 8:05:09", ms(2026, 3, 18, 8, 5, 9)),
        ("2026年3月18日 8时5分9秒", ms(2026, 3, 18, 8, 5, 9)),
        ("2026年3月18日下午3:05", ms(2026, 3, 18, 15, 5)),
        ("2026-03-18", ms(2026, 3, 18)),
        ("20260318080509", ms(2026, 3, 18, 8, 5, 9)),
        ("20260318", ms(2026, 3, 18)),
        ("03/18/2026 08:05:09 AM", ms(2026, 3, 18, 8, 5, 9)),
        ("03/18/2026 12:05:09 AM", ms(2026, 3, 18, 0, 5, 9)),
        ("03/18/2026 12:05:09 PM", ms(2026, 3, 18, 12, 5, 9)),
        ("1773792309", 1773792309000),
        ("1773792309.5", 1773792309500),
        ("1773792309123", 1773792309123),
        ("  2026-03-18 08:05:09 ", ms(2026, 3, 18, 8, 5, 9)),
    ],
)
def test_forms(text, expected):
    # alone, and among rows of other forms (then the column is not read in one go)
    for column, at in (([text], 0), (["2026-03-18T08:05:09+08:00", "垃圾", text, None], 2)):
        found = parse_times(pa.array(column), TimeRule(zone=SHANGHAI))
        assert found.fault[at] == TimeFault.OK
        assert found.ms[at] == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", TimeFault.MISSING),
        (None, TimeFault.MISSING),
        ("NULL", TimeFault.MISSING),
        ("上午", TimeFault.UNPARSABLE),
        ("2026-02-30 08:00:00", TimeFault.UNPARSABLE),
        ("2026-13-01", TimeFault.UNPARSABLE),
        ("2026-03-18 25:00:00", TimeFault.UNPARSABLE),
        ("18/03/2026 08:00:00", TimeFault.UNPARSABLE),  # day or month first? not guessed
        ("13/18/2026 08:05:09 AM", TimeFault.UNPARSABLE),
        ("03/18/2026 13:05:09 PM", TimeFault.UNPARSABLE),
        ("2026-03-18 08:00:00", TimeFault.NAIVE),
        ("1989-12-31T23:59:59Z", TimeFault.EARLY),
        ("2026-03-20T00:00:00Z", TimeFault.FUTURE),
    ],
)
def test_faults(text, fault):
    found = parse_times(pa.array([text], type=pa.string()), TimeRule(latest_ms=ms(2026, 3, 19)))
    assert found.fault[0] == fault


def test_declared_format_and_day():
    assert parse_times(pa.array(["18/03/2026 08:00"]), TimeRule(zone=SHANGHAI, format="%d/%m/%Y %H:%M")).ms[0] == ms(
        2026, 3, 18, 8
    )
    rule = TimeRule(zone=SHANGHAI, day=date(2026, 3, 18))
    text = parse_times(pa.array(["60.0", "08:05:09", "1970-01-01 00:00:01.000", "2026-03-18 08:00:00"]), rule)
    assert text.ms[:3].tolist() == [ms(2026, 3, 18, 0, 1), ms(2026, 3, 18, 8, 5, 9), ms(2026, 3, 18, 0, 0, 1)]
    assert text.fault.tolist() == [0, 0, 0, TimeFault.UNPARSABLE]  # a full date contradicts the declared day


def test_clock_changes():
    # New York 2015: 02:30 on 8 March does not exist, 01:30 on 1 November exists twice; both are read with the offset before the change
    found = parse_times(
        pa.array(["2015-03-08 02:30:00", "2015-11-01 01:30:00", "2015-11-01 03:30:00"]), TimeRule(zone=NEW_YORK)
    )
    assert found.twofold == 2
    expected = [
        datetime(2015, 3, 8, 7, 30, tzinfo=UTC),
        datetime(2015, 11, 1, 5, 30, tzinfo=UTC),
        datetime(2015, 11, 1, 8, 30, tzinfo=UTC),
    ]
    assert found.ms.tolist() == [round(t.timestamp() * 1000) for t in expected]


def test_typed_columns():
    at = datetime(2026, 3, 18, 0, 5, 9, 250_000)  # noqa: DTZ001 (naive on purpose)
    for unit in ("s", "ms", "us", "ns"):
        zoned = parse_times(
            pa.array([at.replace(tzinfo=UTC, microsecond=0), None], type=pa.timestamp(unit, "UTC")), TimeRule()
        )
        assert zoned.ms[0] == ms(2026, 3, 18, 8, 5, 9)
        assert zoned.fault.tolist() == [0, TimeFault.MISSING]
    naive = parse_times(pa.array([at]), TimeRule(zone=ZoneInfo("UTC")))
    assert naive.ms[0] == ms(2026, 3, 18, 8, 5, 9) + 250
    assert parse_times(pa.array([at]), TimeRule()).fault[0] == TimeFault.NAIVE
    assert parse_times(pa.array([1773792309, 1773792309123]), TimeRule()).ms.tolist() == [1773792309000, 1773792309123]
    dictionary = pa.array(["2026-03-18T00:05:09Z"] * 2).dictionary_encode()
    assert (
        parse_times(pa.chunked_array([dictionary, dictionary]), TimeRule()).ms.tolist()
        == [ms(2026, 3, 18, 8, 5, 9)] * 4
    )


moments = st.datetimes(datetime(1991, 1, 1), datetime(2090, 1, 1))  # noqa: DTZ001 (Hypothesis wants naive bounds)
forms = st.sampled_from(
    ["%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%d %H:%M:%SZ", "%Y/%m/%d %H:%M:%SZ", "%m/%d/%Y %I:%M:%S %p", "%Y%m%d%H%M%S"]
)


@given(st.lists(st.tuples(moments, forms), min_size=1, max_size=30))
def test_round_trip(rows):
    rows = [(t.replace(microsecond=0), f) for t, f in rows]
    found = parse_times(pa.array([t.strftime(f) for t, f in rows]), TimeRule(zone=ZoneInfo("UTC")))
    assert not found.fault.any()
    assert found.ms.tolist() == [round(t.replace(tzinfo=UTC).timestamp() * 1000) for t, _ in rows]


@given(
    st.lists(st.integers(ms(2014, 1, 1), ms(2026, 1, 1)), min_size=1, max_size=50),
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/Athens", "Australia/Lord_Howe"]),
)
def test_local_to_utc_is_what_python_says(values, name):
    zone = ZoneInfo(name)
    utc, doubtful = local_to_utc(np.array(values, dtype=np.int64), zone)
    for local, found, doubt in zip(values, utc.tolist(), doubtful.tolist(), strict=True):
        wall = datetime.fromtimestamp(local / 1000, UTC).replace(tzinfo=zone)
        assert found == local - round(wall.utcoffset().total_seconds() * 1000)
        assert doubt == (wall.utcoffset() != wall.replace(fold=1).utcoffset())
