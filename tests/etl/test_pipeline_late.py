"""Late, repeated and shuffled positions, and an audit that dies before it publishes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_city import DAY, RESULTS, opened, walk, write

from etl.load import load_city
from etl.pipeline import audit_days
from layers.city import load_city_file
from layers.store import open_store

DIES = """
import os, signal, sys
from pathlib import Path
from small_city import DAY
from etl.pipeline import audit_days
from layers.city import load_city_file
from layers.store import open_store

city = load_city_file(Path(sys.argv[1]))
store = open_store(city.store_url, timezone=city.timezone)
type(store).publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
audit_days(city, store, [DAY])
"""


def four_streets():
    """Streets 0-3 are walked all morning, street 4 by nobody."""
    return pd.concat([walk(i) for i in range(4)], ignore_index=True)


@pytest.fixture
def audited(tmp_path):
    city = write(tmp_path, positions1=four_streets())
    store = opened(city)
    (run,) = audit_days(city, store, [DAY])
    yield city, store, run
    store.close()


def late(city):
    """Street 4 was walked 09:40-10:20 after all: inside window 1 (09:30-10:30) and no other."""
    walk(4, "09:40", "10:20").to_csv(city.root / "positions2.csv", index=False)


def outcomes(store, run):
    w = store.result(run.run_id, "section_windows")
    return w.set_index(["section_id", "window_ix"])["outcome"]


def test_late_positions_change_exactly_the_windows_they_touch(audited):
    city, store, run = audited
    before = outcomes(store, run)
    # A main road has 8 windows a day: 4 streets x 4 morning windows are covered. The fifth street was missed in the morning, when every
    # device was heard elsewhere. In the afternoon none was heard of, so nobody can tell of any of the 5 streets x 4 windows.
    assert before.value_counts().to_dict() == {"covered": 16, "missed": 4, "unknown": 20}
    late(city)
    load_city(city, store)
    (again,) = audit_days(city, store, [DAY])
    assert again.run_id != run.run_id
    assert store.current_run(DAY).run_id == again.run_id
    assert {r.run_id for r in store.runs(DAY)} == {run.run_id, again.run_id}  # the earlier run is kept
    after = outcomes(store, again)
    changed = before.index[before.to_numpy() != after.loc[before.index].to_numpy()]
    # Window 1 of the fifth street is covered by the late device. In the other three of the morning that device, which counts though nobody
    # carries it, was not heard of: what was missed while it was not known of is now unknown.
    assert [ix for _, ix in changed] == [0, 1, 2, 3]
    assert len({section for section, _ in changed}) == 1
    assert after.loc[changed].tolist() == ["unknown", "covered", "unknown", "unknown"]
    listed = store.difference(again.run_id)
    windows = listed[listed["table"] == "section_windows"]
    section = changed[0][0]
    assert {f"{section}|road.main|{ix}" for ix in range(4)} <= set(windows["key"])
    told = windows[windows["key"] == f"{section}|road.main|1"].set_index("column").loc["outcome"]
    assert (told["before"], told["after"]) == ("missed", "covered")  # of the fifth street, in the morning


def test_the_same_files_again_change_nothing(audited):
    city, store, run = audited
    load_city(city, store)
    (again,) = audit_days(city, store, [DAY])
    assert again.run_id == run.run_id
    assert [r.run_id for r in store.runs(DAY)] == [run.run_id]


def test_rows_in_any_order_and_twice_give_the_same_run_and_tables(audited, tmp_path):
    _, store, run = audited
    rows = four_streets()
    mixed = pd.concat([rows, rows.iloc[::7]]).sample(frac=1.0, random_state=3)
    city = write(tmp_path / "mixed", positions1=mixed.iloc[:2000], positions2=mixed.iloc[2000:])
    other = opened(city)
    (same,) = audit_days(city, other, [DAY])
    assert same.run_id == run.run_id
    assert_same(other, store, run)
    other.close()


def assert_same(store, other, run):
    """Both hold this run, with the same tables and passes."""
    for table in RESULTS:
        pd.testing.assert_frame_equal(
            store.result(run.run_id, table), other.result(run.run_id, table), check_exact=True
        )
    assert store.passes(run.run_id).equals(other.passes(run.run_id))


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """A city with its network but no positions, two devices' rows of an hour and a half, and those audited at once."""
    folder = tmp_path_factory.mktemp("at-once")
    bare = write(folder / "bare")
    store = opened(bare, only=["道路"])
    audit_days(bare, store, [DAY])  # derives the network
    store.close()
    shutil.copytree(folder / "bare", folder / "whole")
    rows = pd.concat([walk(i, "08:30", "10:00") for i in range(2)], ignore_index=True)
    city = write(folder / "whole", positions1=rows)
    store = opened(city, only=["轨迹"])
    (run,) = audit_days(city, store, [DAY])
    yield folder / "bare", rows, store, run
    store.close()


@settings(max_examples=4, deadline=None)
@given(
    cut=st.integers(8 * 60 + 31, 10 * 60),
    seed=st.integers(0, 2**32 - 1),
    later_first=st.booleans(),
    again=st.floats(0, 1),
)
def test_a_day_cut_anywhere_and_loaded_in_parts_gives_the_same_run(
    at_once, tmp_path_factory, cut, seed, later_first, again
):
    bare, rows, store, run = at_once
    folder = tmp_path_factory.mktemp("parts") / "city"
    shutil.copytree(bare, folder)
    rng = np.random.default_rng(seed)
    minute = pd.to_datetime(rows["time"]).dt.hour * 60 + pd.to_datetime(rows["time"]).dt.minute
    parts = [rows[minute < cut], rows[minute >= cut]]
    repeated = [
        pd.concat([p, rows.sample(frac=again / 2, random_state=rng)]) for p in parts
    ]  # of both sides of the cut
    shuffled = [p.sample(frac=1.0, random_state=rng) for p in repeated]
    city, other = load_city_file(folder / "city.toml"), None
    for n, part in enumerate(shuffled[::-1] if later_first else shuffled):
        part.to_csv(folder / f"positions{n}.csv", index=False)
        if other is not None:
            other.close()
        other = opened(city, only=["轨迹"])  # loads what is there by now: the first part a second time
    (same,) = audit_days(city, other, [DAY])
    assert same.run_id == run.run_id
    assert_same(other, store, run)
    other.close()
    shutil.rmtree(folder)


def test_killed_before_publishing_leaves_the_pointer(audited, tmp_path):
    city, store, run = audited
    late(city)
    load_city(city, store)
    store.close()
    paths = os.pathsep.join([p for p in sys.path if p])
    dead = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path / "city.toml")],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    after = open_store(city.store_url, timezone=city.timezone)
    assert after.current_run(DAY).run_id == run.run_id
    assert [r.run_id for r in after.runs(DAY)] == [run.run_id]
    (again,) = audit_days(city, after, [DAY])
    assert after.current_run(DAY).run_id == again.run_id != run.run_id
    after.close()
