"""Rounds know doubt: what no fix can tell is neither a miss nor a round, and nobody who went round ten times is called missed."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rounds_town import NETWORK, STANDARD, gone_round, judged

from gis.model import Mode
from gis.rounds_bounds import NEAR_M, Places, able_mm, near_rounds
from gis.rounds_kernel import unfinished

MANY = [
    (mode, interval, noise, seed)
    for mode in (Mode.FOOT, Mode.EBIKE)
    for interval, noise, seed in ((5, 3, 1), (5, 15, 2), (10, 8, 3), (15, 15, 1), (30, 8, 2), (30, 15, 3))
]


@pytest.mark.parametrize(("mode", "interval_s", "noise_m", "seed"), MANY)
def test_a_grid_gone_round_ten_times_is_never_missed(mode, interval_s, noise_m, seed):
    true, said, _, _ = gone_round(10, interval_s=interval_s, noise_m=noise_m, seed=seed, mode=mode)
    assert true["completed_rounds"] == 10
    assert said["outcome"] in {"covered", "unknown"}
    assert said["completed_rounds"] <= 10 <= said["possible_rounds"]  # the bounds hold the truth
    assert said["likely_rounds"] >= 6  # what was owed is also what is most likely
    assert (said["outcome"] == "covered") <= (said["completed_rounds"] >= 6)


@pytest.mark.parametrize(("mode", "interval_s", "noise_m", "seed"), MANY)
def test_a_grid_gone_round_twice_of_six_is_never_covered(mode, interval_s, noise_m, seed):
    true, said, _, _ = gone_round(2, interval_s=interval_s, noise_m=noise_m, seed=seed, mode=mode)
    assert true["completed_rounds"] == 2
    assert said["outcome"] in {"missed", "unknown"}
    assert said["completed_rounds"] <= 2 <= said["possible_rounds"]
    assert said["likely_rounds"] <= 4


def test_with_good_data_twice_of_six_is_missed():
    _, said, _, _ = gone_round(2, interval_s=5, noise_m=3, seed=1)
    assert (said["outcome"], said["cause"]) == ("missed", "partial")
    assert (said["completed_rounds"], said["possible_rounds"]) == (2, 2)
    assert said["probability"] < 0.1


def test_one_round_over_most_streets_says_how_far_it_came_and_what_it_lacks():
    # Of 39 streets the first 26 are passed.
    true, said, _, _ = gone_round(1, interval_s=5, noise_m=3, seed=1, share=26 / NETWORK.graph.segment_count)
    assert true["completed_rounds"] == said["completed_rounds"] == 0
    assert (said["outcome"], said["cause"]) == ("missed", "partial")  # not "not passed"
    lacking = dict(json.loads(said["lacking"]))
    assert set(lacking) == set(dict(json.loads(true["lacking"])))
    # what it lacks and how far it came are the whole grid
    assert sum(lacking.values()) == round((1 - said["open_share"]) * said["patrollable_mm"])
    assert said["missing"].startswith(f"第 1 轮走到 {said['open_share']:.1%}，缺 来薰路")


def test_nobody_passed_only_where_nothing_was_visited():
    _, _, passes, crew = gone_round(1, interval_s=15, noise_m=8, seed=1)
    none = passes_of(passes, np.zeros(len(passes.segment_ix), dtype=bool))
    said = judged(none, crew)
    assert (said["visited_mm"], said["cause"], said["missing"]) == (0, "not_passed", "有权人员当天未到")
    one = np.zeros(len(passes.segment_ix), dtype=bool)
    one[:1] = True
    assert judged(passes_of(passes, one), crew)["cause"] == "partial"


def passes_of(passes, keep):
    """Some of the passes; devices stay."""
    from dataclasses import fields, replace  # noqa: PLC0415

    rows = {f.name: getattr(passes, f.name)[keep] for f in fields(passes) if f.name not in {"devices", "mode"}}
    return replace(passes, **rows)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_certain_likely_and_possible_stand_in_order_and_a_further_track_lowers_none(data):
    _, _, passes, crew = WALK
    tracks = passes.track_ix * 1000 + np.arange(len(passes.track_ix)) // 40  # stretches of forty passes
    kept = np.array([data.draw(st.booleans()) for _ in range(int(tracks.max()) + 1)])[tracks]
    less, more = judged(passes_of(passes, kept), crew, PLAIN), judged(passes, crew, PLAIN)
    for day in (less, more):
        assert 0 <= day["completed_rounds"] <= day["likely_rounds"] <= day["possible_rounds"]
    assert less["completed_rounds"] <= more["completed_rounds"]


WALK = gone_round(3, interval_s=30, noise_m=8, seed=5)
PLAIN = STANDARD.model_copy(update={"calibration": type(STANDARD.calibration)()})


# --- the bound, on one street of 400 m in cells of 20 m, of which a round asks for 380 m ---
X = np.arange(20) * 20.0 + 10.0
STREET = Places(
    X, np.zeros(20), np.zeros(20, dtype=np.int64), np.searchsorted((X - 10) // 50, np.arange(9)).astype(np.int64),
    np.arange(20), 10.0, 0.0, 8, 1,
)  # fmt: skip
LENGTH, TARGET = np.full(20, 20_000), np.array([380_000])


def most(cells, radius_m, able=40_000):
    n = len(cells)
    found, rest = near_rounds(
        STREET, cell=np.array(cells, dtype=np.int64), radius_m=np.full(n, float(radius_m)), able_mm=np.full(n, able, dtype=np.int64),
        weight_mm=LENGTH, target_mm=TARGET,
    )  # fmt: skip
    return int(found[0]), int(rest[0])


def test_the_bound_counted_by_hand():
    there = list(range(20))
    # 5 m: only the cells crossed. 19 of 20 cells are a round; the last begins the next.
    assert most(there, 5) == (1, 20_000)
    # 30 m: a crossing counts its neighbours too; crossing cell 17 counts cell 18, the 19th. Then 18 counts 17-19, and 19 nothing new.
    assert most(there, 30) == (1, 60_000)
    # With no time to go anywhere there is no round.
    assert most(there, 30, able=10_000)[0] == 0


@given(
    st.lists(st.integers(0, 19), max_size=60), st.integers(0, 59), st.integers(0, 19),
    st.floats(1, 80), st.floats(0, 100), st.integers(0, 200_000),
)  # fmt: skip
def test_a_further_crossing_or_a_wider_one_never_lowers_the_bound(cells, at, more, radius_m, wider_m, able):
    place = min(at, len(cells))
    before = most(cells, radius_m, able)
    assert most([*cells[:place], more, *cells[place:]], radius_m, able)[0] >= before[0]
    assert most(cells, radius_m + wider_m, able)[0] >= before[0]
    assert before[0] >= 0 <= NEAR_M


@given(st.lists(st.integers(0, 19), min_size=1, max_size=80))
def test_what_the_unfinished_round_lacks_is_the_rest_of_its_length(cells):
    from gis.coverage import rounds  # noqa: PLC0415

    group, cell = np.zeros(len(cells), dtype=np.int64), np.array(cells, dtype=np.int64)
    t = np.arange(len(cells))
    _, open_mm = rounds(group, group, t, cell, weight_mm=LENGTH, target_mm=TARGET)
    passed = unfinished(group, cell, np.zeros(20, dtype=np.int64), LENGTH, TARGET)
    assert LENGTH[passed].sum() == open_mm[0]


def test_way_that_can_have_been_made_counts_only_while_followed():
    _, _, passes, _ = WALK
    first = np.flatnonzero(passes.device_ix == 0)[:1]
    t = passes.enter_ms[first] + 6_000
    assert able_mm(t, first, passes, np.array([2_778])).tolist() == [6_000 * 2_778 // 1000]


# --- roll-ups of rounds ---
def test_rounds_add_up_with_each_grid_counting_up_to_what_it_owes():
    import pandas as pd  # noqa: PLC0415

    from gis.rollups import subject_rollups, with_rounds  # noqa: PLC0415

    days = pd.DataFrame(
        [
            ("A", "grid.rounds.central", "covered", 6, 20, 25),  # twenty of six are six
            ("B", "grid.rounds.central", "unknown", 6, 3, 9),
            ("C", "grid.rounds.fringe", "missed", 4, 1, 2),
            ("D", "grid.rounds.fringe", "excused", 4, 0, 0),  # in no sum
            ("E", None, "no_rule", None, 2, 2),
        ],
        columns=["grid_id", "rule_id", "outcome", "required_rounds", "completed_rounds", "possible_rounds"],
    )
    levels = {"county": ["county"] * 5, "town": ["T1", "T1", "T2", "T2", "T2"]}
    plain = subject_rollups(days, levels, STANDARD, length_mm=np.full(5, 1_000_000), names={})
    found = with_rounds(plain, days, levels).set_index(["level", "key", "rule_id"])
    central = found.loc[("county", "county", "grid.rounds.central")]
    assert central[["rounds_required", "rounds_completed", "rounds_possible"]].tolist() == [12, 9, 12]
    assert (central["rate_rounds_low"], central["rate_rounds_high"]) == (9 / 12, 1.0)
    fringe = found.loc[("rule", "grid.rounds.fringe", "grid.rounds.fringe")]
    assert fringe[["rounds_required", "rounds_completed", "rounds_possible"]].tolist() == [4, 1, 2]
    assert found.loc[("town", "T2", "grid.rounds.fringe"), "rate_rounds_low"] == 1 / 4
    assert len(found) == len(plain)
