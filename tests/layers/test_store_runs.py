"""Both stores: runs are written once, the pointer moves, what changed is told, readers and publishers do not disturb each other."""

from __future__ import annotations

import itertools
import threading
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import store_samples as samples

from gis.errors import ImpossibleError, InputError
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.differences import compare
from layers.store.passes import SCHEMA

HOUR = 3_600_000


def publish(store, run_id, outcomes, *, day=samples.DAY, passes=None, **kw):
    return store.publish(
        samples.run(run_id, day), {"grid_days": samples.grid_days(outcomes, **kw)}, [passes or samples.passes()]
    )


def lines(changes):
    return [tuple(None if pd.isna(v) else v for v in line) for line in changes.itertuples(index=False)]


def test_a_run_comes_back_as_it_was_published(store):
    assert len(publish(store, "r1", ["covered"])) == 0
    run = store.current_run(samples.DAY)
    assert run.created_at.utcoffset().total_seconds() == 0
    assert run == samples.run("r1", created_at=run.created_at)
    assert store.runs() == [run]
    assert store.run_days() == [samples.DAY]
    assert store.current_run(date(2026, 3, 19)) is None


def test_a_new_run_moves_the_pointer_and_tells_the_difference(store):
    publish(store, "r1", ["covered", "missed", "unknown"])
    # a: covered stays, b: missed to covered, c goes; d … by hand below
    after = (
        samples.grid_days(["covered", "covered", "missed", "excused"], visited_mm=1000)
        .iloc[[0, 1, 3]]
        .reset_index(drop=True)
    )
    after.loc[0, "visited_mm"] = 1500
    after["rule_id"] = ["R1", None, None]
    changes = store.publish(samples.run("r2"), {"grid_days": after}, [samples.passes()])
    wanted = {
        ("grid_days", "c", "outcome", "unknown", None),
        ("grid_days", "d", "outcome", None, "excused"),
        ("grid_days", "a", "visited_mm", "1000", "1500"),
        ("grid_days", "a", "rule_id", None, "R1"),
        ("grid_days", "b", "outcome", "missed", "covered"),
    }
    assert set(lines(changes)) == wanted
    assert len(changes) == 5
    assert lines(store.difference("r2")) == lines(changes)
    assert len(store.difference("r1")) == 0
    assert store.current_run(samples.DAY).run_id == "r2"
    assert [r.run_id for r in store.runs(samples.DAY)] == ["r2", "r1"]
    assert list(store.result("r1", "grid_days")["outcome"]) == [
        "covered",
        "missed",
        "unknown",
    ]  # nothing is overwritten


def test_publishing_a_stored_run_again_only_moves_the_pointer(store):
    publish(store, "r1", ["covered"])
    publish(store, "r2", ["missed"])
    never = (pa.table({}) for _ in iter(int, 1))  # would not end, if it were read
    back = store.publish(samples.run("r1"), {}, never)
    assert lines(back) == [("grid_days", "a", "outcome", "missed", "covered")]
    assert store.current_run(samples.DAY).run_id == "r1"
    assert len(store.runs()) == 2
    again = store.publish(samples.run("r1"), {}, never)
    assert lines(again) == lines(back)  # twice is as once
    assert len(store.result("r1", "grid_days")) == 1


def test_keys_of_several_columns_and_times_in_differences(store):
    frame = samples.frame(TABLES["section_windows"], 3)
    store.publish(samples.run("r1"), {"section_windows": frame}, [])
    changed = frame.copy()
    changed.loc[1, "ends"] = changed.loc[1, "ends"] + pd.Timedelta(milliseconds=1)
    changed.loc[2, "probability"] = None
    found = lines(store.publish(samples.run("r2"), {"section_windows": changed}, []))
    key = lambda i: "|".join(str(frame.loc[i, k]) for k in ("section_id", "rule_id", "window_ix"))  # noqa: E731
    assert found == [
        ("section_windows", key(1), "ends", "2026-03-18T01:02:04.457Z", "2026-03-18T01:02:04.458Z"),
        ("section_windows", key(2), "probability", str(frame.loc[2, "probability"]), None),
    ]


def test_equal_results_have_no_difference():
    tables = {n: samples.frame(TABLES[n]) for n in ("section_windows", "grid_days")}
    assert len(compare(tables, {n: t.iloc[::-1].reset_index(drop=True) for n, t in tables.items()})) == 0


def test_results_of_several_days(store):
    days = [date(2026, 3, d) for d in (20, 18, 19)]
    for i, day in enumerate(days):
        publish(store, f"r{i}", ["covered"] * (i + 1), day=day)
    rows = store.results([*days, date(2026, 4, 1)], "grid_days", where={"outcome": "covered"})
    assert list(rows["day"]) == [days[0]] + [days[1]] * 2 + [days[2]] * 3
    assert store.run_days() == sorted(days)
    assert len(store.results([], "grid_days")) == 0
    assert "day" in store.results([], "grid_days").columns
    assert len(store.result("r2", "grid_days", where={"grid_id": ["b"]})) == 1


def test_passes_come_back_in_order_and_filtered(store):
    rows = samples.passes(500)
    store.publish(samples.run(), {}, [rows.slice(0, 200), rows.slice(200)])
    assert store.passes("run-1").equals(rows.combine_chunks())
    assert store.passes("run-1").schema.equals(SCHEMA)
    low, high = samples.DAY_START + 6 * HOUR, samples.DAY_START + 12 * HOUR
    frame = rows.to_pandas()
    wanted = frame[
        frame.segment_ix.isin([1, 3]) & (frame.device_id == "设备2") & (frame.leave_ms >= low) & (frame.enter_ms < high)
    ]
    found = store.passes("run-1", segment_ix=[1, 3], device_ids=["设备2"], from_ms=low, to_ms=high).to_pandas()
    assert 0 < len(wanted) < len(frame)
    pd.testing.assert_frame_equal(found, wanted.reset_index(drop=True), check_dtype=False)
    assert len(store.passes("run-1", segment_ix=np.array([2]))) == int((frame.segment_ix == 2).sum())
    assert len(store.passes("run-1", segment_ix=[])) == 0
    assert len(store.passes("run-1", device_ids=["nobody"])) == 0


def test_a_run_without_passes(store):
    store.publish(samples.run(), {}, [])
    assert store.passes("run-1").equals(SCHEMA.empty_table())


def test_every_fault_of_every_table_and_no_trace_of_the_run(store):
    bad = samples.grid_days(["covered", "covered"])
    bad["grid_id"] = "a"
    with pytest.raises(InputError) as caught:
        store.publish(samples.run(), {"grid_days": bad, "work_grids": bad, "people": bad.iloc[:0]}, [])
    assert {f.code for f in caught.value.faults} == {
        "key.duplicate",
        "table.unknown",
        "column.missing",
        "column.unknown",
    }
    wrong = samples.passes().set_column(4, "leave_ms", pa.array([0] * 6, pa.int64()))
    with pytest.raises(InputError, match="left before entered"):
        store.publish(samples.run(), {}, [wrong])
    assert store.runs() == []
    with pytest.raises(ImpossibleError, match="no run run-1"):
        store.result("run-1", "grid_days")


def test_readers_see_one_whole_run_while_another_is_published(store_url):
    """Two readers look all the time; every look must find as many grids as its run has, never a mixture or a half."""
    store = open_store(store_url)
    store.prepare()
    publish(store, "r0", ["covered"] * 20)
    sizes = {"r0": 20} | {f"r{i}": 20 + i for i in range(1, 8)}
    stop, faults, looks = threading.Event(), [], []

    def read():
        reader = open_store(store_url)
        try:
            while not stop.is_set():
                run = reader.current_run(samples.DAY)
                found = len(reader.result(run.run_id, "grid_days")), len(reader.passes(run.run_id))
                looks.append(run.run_id)
                if found != (sizes[run.run_id], 6):
                    faults.append((run.run_id, found))
        except Exception as error:  # noqa: BLE001
            faults.append(error)
        finally:
            reader.close()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for r in readers:
        r.start()
    for i in range(1, 8):
        publish(store, f"r{i}", (["covered", "missed"] * 30)[: 20 + i])
    stop.set()
    for r in readers:
        r.join()
    store.close()
    assert faults == []
    assert len(looks) >= 2


def test_two_publishers_of_one_day_follow_each_other(store_url):
    """Each of two publishes five runs; afterwards the moves of the pointer form one chain: every difference is to the run before it."""
    first = open_store(store_url)
    first.prepare()
    faults = []

    def write(name):
        mine = open_store(store_url)
        try:
            for i in range(5):
                publish(mine, f"{name}{i}", ["covered"] * 2, visited_mm=1000 + i + (100 if name == "x" else 0))
        except Exception as error:  # noqa: BLE001
            faults.append(error)
        finally:
            mine.close()

    writers = [threading.Thread(target=write, args=(n,)) for n in "xy"]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    assert faults == []
    ordered = [r.run_id for r in reversed(first.runs())]
    assert sorted(ordered) == sorted(f"{n}{i}" for n in "xy" for i in range(5))
    value = {r: str(1000 + int(r[1:]) + (100 if r[0] == "x" else 0)) for r in ordered}
    for before, after in itertools.pairwise(ordered):
        wanted = (
            []
            if value[before] == value[after]
            else [("grid_days", k, "visited_mm", value[before], value[after]) for k in "ab"]
        )
        assert lines(first.difference(after)) == wanted
    assert first.current_run(samples.DAY).run_id == ordered[-1]
    first.close()
