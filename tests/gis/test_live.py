"""The state at a moment, counted by hand from windows and what the audit said of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.live import (
    DONE,
    DUE,
    FREE,
    IN_DOUBT,
    NOT_ASKED,
    OVERDUE,
    Judged,
    balance,
    decided,
    last_completed,
    moment,
)
from gis.rates import COVERED, EXCUSED, MISSED, UNKNOWN

MIN = 60_000


def clock(hour, minute=0):
    return (hour * 60 + minute) * MIN


FIRST = clock(8, 30)


def hourly(*outcomes, reached=None, start=FIRST):
    """One section with hourly windows from 08:30; `reached`: window → minutes into it."""
    return day([(outcomes, reached or {})], start=start)


def day(sections, start=FIRST, length=60):
    sizes = [len(o) for o, _ in sections]
    begin = np.concatenate([start + np.arange(n) * length * MIN for n in sizes] or [np.zeros(0)]).astype(np.int64)
    reached = [
        [begin[i] - begin[0] + start + r.get(i, -1) * MIN if i in r else -1 for i in range(len(o))] for o, r in sections
    ]
    flat = lambda parts: np.array([x for p in parts for x in p], dtype=np.int64)  # noqa: E731
    ptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Judged(ptr, begin, begin + length * MIN, flat([o for o, _ in sections]), flat(reached))


def at(judged, now, until=None):
    return moment(judged, now, known_ms=now if until is None else min(now, until))


def test_a_section_has_until_its_window_ends_and_is_done_when_its_requirement_is_reached():
    judged = hourly(COVERED, COVERED, reached={0: 20, 1: 50})
    before, after = at(judged, clock(8, 40)), at(judged, clock(8, 50))
    assert (before.state[0], before.left_s[0], before.share[0]) == (DUE, 50 * 60, pytest.approx(50 / 60))
    assert (after.state[0], after.left_s[0]) == (DONE, 40 * 60)
    # done at 08:50 and at 10:20: an hour and a half between, and yet no window is missed
    assert at(judged, clock(10, 0)).state[0] == DUE


def test_overdue_is_what_the_audit_calls_missed_and_counts_from_the_first_window_missed():
    judged = hourly(COVERED, MISSED, MISSED, COVERED, reached={0: 5, 3: 30})
    assert at(judged, clock(10, 29)).state[0] == DUE
    assert at(judged, clock(10, 40)).left_s[0] == -10 * 60
    late = at(judged, clock(11, 40))
    assert (late.state[0], late.left_s[0], late.window[0]) == (OVERDUE, -70 * 60, 1)
    assert at(judged, clock(12, 0)).state[0] == DONE


def test_an_excused_window_is_neither_due_nor_overdue_and_does_not_count_for_the_next():
    judged = hourly(MISSED, EXCUSED, MISSED)
    assert at(judged, clock(9, 45)).state[0] == FREE
    assert np.isnan(at(judged, clock(9, 45)).left_s[0])
    assert at(judged, clock(10, 45)).state[0] == DUE  # closed until 10:30: what it owes begins then


def test_what_ended_after_the_evidence_is_unknown_and_what_was_missed_before_it_stays_overdue():
    judged = hourly(COVERED, MISSED, MISSED, reached={0: 5})
    # the newest fix is of 10:00: the window that ended at 10:30 is not known to be missed
    assert at(judged, clock(10, 45), until=clock(10, 0)).state[0] == IN_DOUBT
    assert at(judged, clock(10, 45), until=clock(10, 30)).state[0] == OVERDUE
    # known to be missed at 10:30; of the window that ended at 11:30 nothing is known
    longer = hourly(COVERED, MISSED, MISSED, MISSED)
    assert at(longer, clock(11, 45), until=clock(10, 40)).state[0] == OVERDUE
    assert at(longer, clock(11, 45), until=clock(10, 40)).left_s[0] == -75 * 60
    # covered is covered, however late the rest arrives
    assert at(hourly(MISSED, COVERED, MISSED), clock(10, 45), until=clock(10, 0)).state[0] == DUE


def test_what_is_unknown_to_the_audit_is_never_red():
    assert at(hourly(UNKNOWN, MISSED), clock(9, 45)).state[0] == IN_DOUBT
    assert (
        at(hourly(MISSED, UNKNOWN, MISSED), clock(10, 45)).state[0] == IN_DOUBT
    )  # missed once, since then nobody knows


def test_before_the_first_window_in_a_break_and_after_the_last_one_nothing_is_due():
    judged = hourly(MISSED, MISSED)
    for now in (clock(8, 0), clock(10, 30), clock(18, 39)):
        assert at(judged, now).state[0] == NOT_ASKED, now
    assert at(day([]), clock(9)).state.tolist() == []
    assert at(day([((), {}), ((MISSED, MISSED), {})]), clock(9, 45)).state.tolist() == [NOT_ASKED, OVERDUE]


def test_the_last_window_is_decided_once_its_evidence_was_waited_for():
    judged = hourly(MISSED, MISSED)  # ends at 10:30
    kwargs = {"wait_ms": 5 * MIN}
    assert decided(judged, until_ms=clock(10, 28), now_ms=clock(10, 31), **kwargs) == clock(10, 28)
    assert decided(judged, until_ms=clock(10, 28), now_ms=clock(10, 36), **kwargs) == clock(10, 36)
    assert decided(judged, until_ms=clock(10, 20), now_ms=clock(18, 0), **kwargs) == clock(10, 20)
    assert decided(judged, until_ms=clock(12, 0), now_ms=clock(9, 0), **kwargs) == clock(9, 0)


def test_the_balance_counts_the_windows_that_are_over():
    judged = day([((COVERED, MISSED, UNKNOWN), {0: 1}), ((EXCUSED, MISSED, MISSED), {})])
    now = clock(11, 0)
    assert balance(judged, now, known_ms=now) == {"covered": 1, "missed": 2, "unknown": 0, "excused": 1, "windows": 6}
    known = balance(judged, now, known_ms=clock(10, 0))
    assert known == {"covered": 1, "missed": 0, "unknown": 2, "excused": 1, "windows": 6}


def test_the_last_full_patrol():
    found = last_completed(np.array([0, 0, 2]), np.array([5, 9, 7]), 3, 8)
    assert found.tolist() == [5, -1, 7]


outcomes = st.lists(st.sampled_from([COVERED, MISSED, UNKNOWN, EXCUSED]), min_size=0, max_size=5)


def plain(windows, now, known):
    """The same by a plain walk over one section's windows (start, end, outcome, reached)."""
    asked = next((i for i, (s, e, _, _) in enumerate(windows) if s <= now < e), None)
    if asked is None:
        return NOT_ASKED
    _, _, outcome, reached = windows[asked]
    if outcome == EXCUSED:
        return FREE
    if 0 <= reached <= now:
        return DONE
    doubt = False
    for _, end, before, _ in reversed(windows[:asked]):
        if end > known and before not in (COVERED, EXCUSED):
            doubt = True
            continue
        if before == MISSED:
            return OVERDUE
        return IN_DOUBT if doubt or before == UNKNOWN else DUE
    return IN_DOUBT if doubt else DUE


@given(st.lists(outcomes, min_size=1, max_size=4), st.integers(0, 400), st.integers(0, 400), st.data())
def test_every_section_is_what_a_plain_walk_says_and_red_only_after_a_missed_window(sections, now, until, data):
    reached = [{i: data.draw(st.integers(0, 59)) for i, x in enumerate(o) if x == COVERED} for o in sections]
    judged = day(list(zip(sections, reached, strict=True)), start=0)
    now, known = now * MIN, min(now, until) * MIN
    found = moment(judged, now, known_ms=known)
    for k, state in enumerate(found.state.tolist()):
        rows = range(judged.ptr[k], judged.ptr[k + 1])
        windows = [(judged.start_ms[i], judged.end_ms[i], judged.outcome[i], judged.reached_ms[i]) for i in rows]
        assert state == plain(windows, now, known)
        if state == OVERDUE:
            w = found.window[k]
            assert judged.outcome[w] == MISSED
            assert judged.end_ms[w] <= known
            assert found.left_s[k] <= 0
    counts = balance(judged, now, known_ms=known)
    assert sum(v for k, v in counts.items() if k != "windows") == int((judged.end_ms <= now).sum())
