"""The command desk's figures at a moment, counted by hand."""

from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from dashboards.command_day import Windows
from dashboards.command_parts import left_words, pace_of
from dashboards.desk_command import Fixes, last_fixes, newest_so_far
from dashboards.pages.command import moment_of

MIN = 60_000


def fixes():
    """A was heard at 1, 2 and 4 min; the fix of 3 min came only at 5. B was heard once, at 2 min."""
    t = np.array([1, 2, 4, 3, 2], dtype=np.int64) * MIN
    arrived = np.array([1, 2, 4, 5, 2], dtype=np.int64) * MIN
    ptr = np.array([0, 4, 5], dtype=np.int64)
    xy = np.column_stack([t / MIN, t / MIN])
    return Fixes(np.array(["A", "B"], dtype=object), ptr, arrived, newest_so_far(t, ptr), t, xy, xy)


def day(**more):
    duty = pd.DataFrame({"person_id": ["A", "B"], "from_ms": [0, 0], "to_ms": [10 * MIN, 3 * MIN]})
    return SimpleNamespace(duty=duty, **more)


def test_the_last_fix_is_the_newest_of_those_that_had_arrived():
    found = {m: last_fixes(day(), fixes(), m * MIN) for m in (0, 1, 2, 3, 5, 10)}
    assert found[0].empty
    assert found[1]["person_id"].tolist() == ["A"]
    assert found[2]["x"].tolist() == [2.0, 2.0]
    assert found[3]["person_id"].tolist() == ["A"]  # B went off duty at 3 min
    assert found[3]["age_s"].tolist() == [60.0]
    assert found[5]["x"].tolist() == [4.0]  # what came late is older than what is known
    assert found[10].empty  # off duty


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=8), min_size=1, max_size=4))
def test_the_newest_so_far_is_that_of_a_plain_loop(groups):
    ptr = np.cumsum([0, *map(len, groups)])
    t = np.concatenate(groups).astype(np.int64)
    expected = [
        max(range(ptr[g], row + 1), key=lambda k: (t[k], k))
        for g in range(len(groups))
        for row in range(ptr[g], ptr[g + 1])
    ]
    assert newest_so_far(t, ptr.astype(np.int64)).tolist() == expected


def test_who_answers_is_asked_of_the_window_that_holds_now():
    w = Windows(
        np.array([0, 3, 3]), np.array([0, 10, 20]), np.array([10, 20, 30]), np.array(["P1", "P2;P3", ""], dtype=object)
    )
    assert w.responsible(0, 5) == ["P1"]
    assert w.responsible(0, 10) == ["P2", "P3"]
    assert w.responsible(0, 25) == []
    assert w.responsible(0, 99) == []  # after the last window, the last one
    assert w.responsible(1, 5) == []


def test_a_grid_is_behind_when_it_has_less_than_the_share_of_the_day_that_is_gone():
    d = SimpleNamespace(duty_ms=(0, 100), grids=pd.DataFrame({"required": [6, 6, 6, 0, 4]}))
    # half of the day is gone: three of six rounds and two of four are asked
    assert pace_of(d, np.array([2, 3, 6, 5, 2]), 50) == ["behind", "on_pace", "complete", "none", "on_pace"]


def test_time_left_in_words():
    assert [left_words(s) for s in (59, 60, 3661, -61, -7200)] == ["0:00", "0:01", "1:01", "−0:01", "−2:00"]


def test_a_moment_is_where_play_began_and_how_far_it_has_come():
    view = SimpleNamespace(zone=ZoneInfo("Asia/Shanghai"))
    date = pd.Timestamp("2026-03-18").date()
    start = int(pd.Timestamp("2026-03-18", tz="Asia/Shanghai").timestamp() * 1000)
    end = start + 86_400_000 - 1000

    def at(params, now_ms=None):
        return moment_of(view, None, date, params, now_ms, now_s=1000.0)

    assert at({"at": "600", "speed": "60", "began": "990"}) == start + 600 * MIN + 600_000
    assert at({"at": "600", "speed": "-5", "began": "990"}) == start + 600 * MIN
    assert at({"at": "1439", "speed": "300", "began": "0"}) == end
    assert at({"at": "nan", "speed": "x"}) == start + 600 * MIN  # nonsense in an address is no reason to fail
    assert at({"mode": "live"}, now_ms=start + 5) == start + 5
