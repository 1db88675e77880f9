"""Calibration: isotonic regression counted by hand, and which calls are doubted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.calibration import (
    FEATURES,
    CalibrationTable,
    CallModel,
    Doubt,
    calibrate,
    device_quality,
    features,
    fit,
    isotonic,
    quality_of,
)
from gis.calibration_tables import latest, table_named
from gis.crew import Carry, Crew, Person
from gis.errors import SettingsError
from gis.model import Passes

ALONE = np.zeros((1, 4))  # no street beside the section


def crew():
    person = Person("p1", "张三", "squad_member", "", "", (), (), (), ())
    return Crew(0, 86_400_000, (person,), (Carry("A", 0, 0, 86_400_000, 0),), (), index={"p1": 0})


def passes(confidence=0.99):
    # three consecutive passes of one track; at each joint the fix after is 10 s later than the fix before
    enter, leave = np.array([0, 30_000, 60_000]), np.array([30_000, 60_000, 90_000])
    return Passes(
        segment_ix=np.arange(3, dtype=np.int32), from_mm=np.zeros(3, np.int32), to_mm=np.full(3, 99_999, np.int32), enter_ms=enter,
        leave_ms=leave, device_ix=np.zeros(3, np.int32), track_ix=np.zeros(3, np.int32), first_fix_ms=enter - 5_000,
        last_fix_ms=leave + 5_000, seen=np.ones(3, np.bool_), confidence=np.full(3, confidence, np.float32), devices=("A",),
        mode=np.zeros(1, np.int8),
    )  # fmt: skip


def windows(**changes):
    rows = {
        "section_id": ["S"], "rule_id": ["road.main"], "window_ix": [0], "length_mm": [1000], "covered_share": [0.5], "required_share": [0.9],
        "needed_s": [100.0], "silent_s": [0.0], "passes": [1], "probability": [0.0], "cause": ["partial"], "missing": [None],
        "person_ids": ["p1"], "outcome": ["missed"], "outcome_responsible": ["missed"],
    }  # fmt: skip
    return pd.DataFrame({**rows, **changes})


def table(p):
    """A model of every call that always says p."""
    model = CallModel((0.0,) * len(FEATURES), (0.0, 1.0), (p, p))
    return CalibrationTable(
        "test", "nothing", Doubt(0.1), Doubt(0.9), dict.fromkeys(("covered", "missed", "unknown"), model)
    )


def test_interval_and_doubt_of_a_device_counted_by_hand():
    # first pass's last fix 35 s, second's first fix 25 s: 10 s between; confidence 0.99 has two nines; all at one speed
    gap, sure, jitter = device_quality(passes())[0]
    assert gap == 10.0
    assert sure == pytest.approx(2.0, abs=1e-4)
    assert jitter == pytest.approx(0.0, abs=1e-4)


def test_jitter_of_a_device_counted_by_hand():
    # 40, 100 and 10 m in 30 s each. The minutes about the three: 0-60 s and 140 m, 15-75 s and 20 + 100 + 5 m, 30-90 s and 110 m; half
    # of each is what 30 s would give: 70, 62.5 and 55 m. The ways depart from it by 30, 37.5 and 45 m: 112.5 of 150.
    uneven = replace(passes(), to_mm=np.array([40_000, 100_000, 10_000], np.int32))
    assert device_quality(uneven)[0, 2] == pytest.approx(112.5 / 150, abs=1e-4)


def test_where_no_roster_knows_a_device_its_own_data_speak():
    # as counted above: 10 s between fixes, two nines, no jitter; needed 100 s, so that `gap` is log((10 + 5) / 100)
    nobody = Crew(0, 86_400_000, (), (), (), index={})
    x = features(windows(person_ids=[None]), ALONE, quality_of(passes(), nobody), nobody)[0]
    found = dict(zip(FEATURES, x, strict=True))
    assert found["gap"] == pytest.approx(np.log(0.15))
    assert found["doubt"] == pytest.approx(2.0, abs=1e-4)
    assert found["jitter"] == pytest.approx(0.0, abs=1e-4)
    four = features(windows(person_ids=[None]), ALONE, quality_of(passes(0.9999), nobody), nobody)[0]
    assert four[FEATURES.index("doubt")] == pytest.approx(4.0, abs=1e-2)


@pytest.mark.parametrize(
    ("call", "p", "becomes"),
    [("missed", 0.11, "unknown"), ("missed", 0.09, "missed"), ("covered", 0.89, "unknown"), ("covered", 0.91, "covered"), ("unknown", 0.5, "unknown")],
)  # fmt: skip
def test_a_call_that_the_data_cannot_support_becomes_unknown(call, p, becomes):
    out = calibrate(
        windows(outcome=[call], outcome_responsible=[call]), ALONE, quality_of(passes(), crew()), crew(), table(p)
    )
    assert out["outcome"].tolist() == [becomes]
    assert out["outcome_responsible"].tolist() == [becomes]
    assert out["probability"].tolist() == pytest.approx([p])
    changed = becomes != call
    assert (out["cause"].tolist() == ["unsupported"]) is changed
    assert (out["missing"].iloc[0] is not None and "不足以判定" in out["missing"].iloc[0]) is changed


@pytest.mark.parametrize(
    ("call", "confidence", "p", "becomes"),
    # 0.99 has two nines, 0.9999 four; the limits change at three
    [
        ("missed", 0.99, 0.02, "unknown"), ("missed", 0.9999, 0.02, "missed"), ("missed", 0.9999, 0.06, "unknown"),
        ("covered", 0.99, 0.94, "unknown"), ("covered", 0.9999, 0.94, "covered"), ("covered", 0.9999, 0.92, "unknown"),
    ],
)  # fmt: skip
def test_limits_are_milder_where_the_matcher_was_sure(call, confidence, p, becomes):
    milder = replace(table(p), doubt_missed=Doubt(0.015, 3.0, 0.05), doubt_covered=Doubt(0.95, 3.0, 0.93))
    out = calibrate(
        windows(outcome=[call], outcome_responsible=[call]),
        ALONE,
        quality_of(passes(confidence), crew()),
        crew(),
        milder,
    )
    assert out["outcome"].tolist() == [becomes]


def test_streets_beside_a_section_are_features_of_their_own():
    x = features(windows(), np.array([[0.1, 0.2, 0.3, 0.4]]), quality_of(passes(), crew()), crew())
    assert x.shape == (1, len(FEATURES))
    assert x[0, -4:].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert FEATURES[-4:] == ("beside_10", "beside_15", "beside_20", "beside_30")


def test_time_between_fixes_leaves_out_joints_at_which_the_way_turns_back_at_a_fix():
    # at the first joint both passes rest on the fix at 30 s; at the second 55 s and 65 s, as before
    turned = passes()
    last, first = turned.last_fix_ms.copy(), turned.first_fix_ms.copy()
    last[0] = first[1] = 30_000
    assert device_quality(replace(turned, last_fix_ms=last, first_fix_ms=first))[0, 0] == 10.0
    last[1] = first[2] = 60_000
    assert device_quality(replace(turned, last_fix_ms=last, first_fix_ms=first))[0, 0] == 0.0


def test_no_day_corrects_itself():
    # two days in which the truth is the opposite of what the feature says on the other: a model judged by its own day would be sure
    rng = np.random.default_rng(3)
    x = np.zeros((4000, len(FEATURES)))
    x[:, 0], x[:, 1] = 1.0, rng.random(4000)
    day = np.repeat([0, 1], 2000)
    frame = pd.DataFrame({"call": "missed", "truth": np.where((x[:, 1] > 0.5) == (day == 0), "covered", "missed")})
    model = fit(frame, x, fold=day, calls=("missed",))["missed"]
    assert 0.4 < min(model.calibrated) <= max(model.calibrated) < 0.6


def test_what_no_data_could_help_stays_and_excused_windows_keep_their_figures():
    nobody = calibrate(windows(cause=["no_rostered"]), ALONE, quality_of(passes(), crew()), crew(), table(0.5))
    assert nobody["outcome"].tolist() == ["missed"]
    excused = calibrate(
        windows(outcome=["excused"], probability=[0.3]), ALONE, quality_of(passes(), crew()), crew(), table(0.99)
    )
    assert excused["outcome"].tolist() == ["excused"]
    assert excused["probability"].tolist() == [0.3]


def test_pooling_of_adjacent_violators_counted_by_hand():
    # groups of two: shares 0/2, 2/2, 1/2, 2/2; the second and third violate and are pooled to 3/4
    p = np.array([0.1, 0.1, 0.3, 0.3, 0.5, 0.5, 0.9, 0.9])
    y = np.array([0, 0, 1, 1, 1, 0, 1, 1], dtype=float)
    knots, share = isotonic(p, y, least=2)
    # Laplace: (0 + 1) / (2 + 2), (3 + 1) / (4 + 2), (2 + 1) / (2 + 2), and flat to both ends
    assert knots.tolist() == pytest.approx([0.0, 0.1, 0.4, 0.9, 1.0])
    assert share.tolist() == pytest.approx([0.25, 0.25, 4 / 6, 0.75, 0.75])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 10))
def test_an_isotonic_polyline_rises_and_stays_a_probability(rows, least):
    p, y = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    knots, share = isotonic(p, y, least=least)
    assert (np.diff(knots) > 0).all()
    assert (np.diff(share) >= 0).all()
    assert 0 < share.min() <= share.max() < 1


def test_a_fit_finds_what_decides():
    # truth follows one feature (reached): above 0.5 covered; the models must rank windows by it and be honest on the others
    rng = np.random.default_rng(0)
    reached = rng.random(6000)
    x = np.zeros((6000, len(FEATURES)))
    x[:, 0], x[:, 1] = 1.0, reached
    happened = rng.random(6000) < 1 / (1 + np.exp(-12 * (reached - 0.5)))
    frame = pd.DataFrame(
        {"call": np.resize(["covered", "missed", "unknown"], 6000), "truth": np.where(happened, "covered", "missed")}
    )
    for model in fit(frame, x, fold=np.arange(6000) % 4).values():
        low, middle, high = model.probability(
            x[[np.argmin(reached), np.argmin(np.abs(reached - 0.5)), np.argmax(reached)]]
        )
        assert low < 0.1
        assert 0.35 < middle < 0.65
        assert high > 0.9


def test_tables_are_found_by_name_and_an_unknown_one_is_a_fault():
    assert table_named(latest().version) is latest()
    assert set(latest().models) == {"covered", "missed", "unknown"}
    assert set(latest().unit_models) == set(latest().models)
    every = [*latest().models.values(), *latest().unit_models.values()]
    assert all(len(m.weights) == len(FEATURES) for m in every)
    with pytest.raises(SettingsError, match="there is no calibration"):
        table_named("nothing")
