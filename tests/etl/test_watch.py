"""New files of a source that is watched: a broken one leaves the others alone, a new start goes on, and odd times of change lose nothing."""

from __future__ import annotations

import os

import pytest
from small_city import opened, walk, write

from etl.load import load_city
from etl.watch import Watch
from gis.errors import InputError
from layers.store import open_store

NOW = 2_000_000_000.0


@pytest.fixture
def watched(tmp_path):
    """A city with one file of positions, loaded; its store; and a clock that the test moves."""
    city = write(tmp_path, positions1=walk(0, "08:30", "08:31"))
    os.utime(tmp_path / "positions1.csv", (1_900_000_000,) * 2)
    opened(city).close()
    store = open_store(city.store_url, timezone=city.timezone)
    yield city, store, tmp_path
    store.close()


def put(folder, name, rows, *, at=1_950_000_000):
    rows.to_csv(folder / name, index=False)
    os.utime(folder / name, (at,) * 2)


def test_a_broken_file_does_not_take_the_good_ones_of_its_step_with_it(watched):
    city, store, folder = watched
    watch = Watch(city, store, clock=lambda: NOW)
    watch.load_new()
    put(folder, "positions2.csv", walk(1, "08:30", "08:31"))
    (folder / "positions3.csv").write_text("device_id,time\nD1,2026-03-18T09:00:00+0800\n", encoding="utf-8")
    put(folder, "positions4.csv", walk(2, "08:30", "08:31"))
    with pytest.raises(InputError) as told:
        watch.load_new()
    assert {f.file for f in told.value.faults} == {"positions3.csv"}
    devices = set(store.positions.scan(store.positions.days()[0])["device_id"].to_pylist())
    assert devices == {"D0", "D1", "D2"}
    assert watch.load_new() == 0  # tried again once it changes
    put(folder, "positions3.csv", walk(3, "08:30", "08:31"), at=1_960_000_000)
    assert watch.load_new() == 7


def test_a_new_start_loads_what_came_with_an_old_time_of_change_while_nobody_watched(watched):
    city, store, folder = watched
    Watch(city, store, clock=lambda: NOW).load_new()
    put(folder, "positions2.csv", walk(1, "08:30", "08:31"), at=1_000_000_000)  # cp -p
    again = Watch(city, store, clock=lambda: NOW)
    assert again.load_new() == 7
    assert Watch(city, store, clock=lambda: NOW).load_new() == 0


def test_a_file_from_a_clock_that_runs_ahead_is_loaded_once_it_rests(watched):
    city, store, folder = watched
    now = [NOW]
    watch = Watch(city, store, clock=lambda: now[0])
    watch.load_new()
    put(folder, "positions2.csv", walk(1, "08:30", "08:31"), at=NOW + 3600)
    assert watch.load_new() == 0
    now[0] += 3
    assert watch.load_new() == 7


def test_a_file_that_is_still_being_written_waits(watched):
    city, store, folder = watched
    now = [NOW]
    watch = Watch(city, store, clock=lambda: now[0])
    watch.load_new()
    put(folder, "positions2.csv", walk(1, "08:30", "08:31"), at=NOW - 1)
    assert watch.load_new() == 0
    now[0] += 2
    assert watch.load_new() == 7


@pytest.mark.parametrize(
    "row", ["E,2026-03-18T08:00:00+08:00,999,29.47", ",2026-03-18T08:00:00+08:00,121.8,29.47", "E,no time,121.8,29.47"]
)
def test_a_file_whose_rows_are_all_set_aside_is_a_load_like_others(watched, row):
    city, store, folder = watched
    Watch(city, store, clock=lambda: NOW).load_new()
    (folder / "positions2.csv").write_text(f"device_id,time,lon,lat\n{row}\n", encoding="utf-8")
    os.utime(folder / "positions2.csv", (1_950_000_000,) * 2)
    watch = Watch(city, store, clock=lambda: NOW)
    assert watch.load_new() == 0
    newest = store.manifests()[0]
    assert (newest.record.rows_in, newest.inserted, newest.quarantined) == (1, 0, 1)
    put(folder, "positions3.csv", walk(2, "08:30", "08:31"))
    assert watch.load_new() == 7


def test_an_error_that_no_reader_foresaw_is_a_fault_of_its_source(watched, monkeypatch):
    city, _, _ = watched
    fresh = open_store(f"embedded:{city.root / 'fresh'}", timezone=city.timezone)
    fresh.prepare()

    def broken(*_):
        message = "wkb is truncated"
        raise RuntimeError(message)

    monkeypatch.setattr("etl.load.reader_of", lambda _: broken)
    with pytest.raises(InputError) as told:
        load_city(city, fresh)
    (fault,) = told.value.faults
    assert (fault.code, fault.file) == ("source.unforeseen", "roads.geojson")
    assert "RuntimeError: wkb is truncated" in fault.en
    assert fresh.manifests() == []
    fresh.close()
