"""Late, repeated and shuffled positions, and an audit that dies before it publishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from small_city import DAY, opened, walk, write

from etl.load import load_city
from etl.pipeline import audit_days
from layers.contracts import TABLES
from layers.store import open_store

RESULTS = [t.name for t in TABLES.values() if t.kind == "result"]
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
    # a main road has 8 windows a day: 4 streets x 4 morning windows are covered, everything else is missed
    assert before.value_counts().to_dict() == {"covered": 16, "missed": 24}
    late(city)
    load_city(city, store)
    (again,) = audit_days(city, store, [DAY])
    assert again.run_id != run.run_id
    assert store.current_run(DAY).run_id == again.run_id
    assert {r.run_id for r in store.runs(DAY)} == {run.run_id, again.run_id}  # the earlier run is kept
    after = outcomes(store, again)
    changed = before.index[before.to_numpy() != after.loc[before.index].to_numpy()]
    assert [ix for _, ix in changed] == [1]
    listed = store.difference(again.run_id)
    windows = listed[listed["table"] == "section_windows"]
    section, ix = changed[0]
    assert set(windows["key"]) == {f"{section}|road.main|{ix}"}
    told = windows.set_index("column").loc["outcome"]
    assert (told["before"], told["after"]) == ("missed", "covered")


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
    for table in RESULTS:
        pd.testing.assert_frame_equal(other.result(same.run_id, table), store.result(run.run_id, table))
    assert other.passes(same.run_id).equals(store.passes(run.run_id))
    other.close()


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
