"""Following a day step by step: at any moment what an audit of the same positions would find, in both directions of time's arrow of arrival."""

import random
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from small_city import DAY, STREETS, opened, walk, write

from etl.follow import Follower, drop_over, follow
from etl.pipeline import audit_days
from etl.watch import Watch
from gis.calendar import day_bounds
from gis.errors import ImpossibleError
from layers.city import load_city_file
from layers.store import open_store
from layers.store.base import Live
from layers.store.live import TABLES, newer

HOUR = 3_600_000


class Arrived:
    """Positions as they had arrived by a moment."""

    def __init__(self, whole):
        self._whole, self.by_ms = whole, 0

    def count(self, day):
        return self.scan(day).num_rows

    def scan(self, day, **asked):
        return self._whole.scan(day, arrived_before_ms=self.by_ms, **asked)


class AsOf:
    """A store as it was at a moment."""

    def __init__(self, store):
        self._store, self.positions = store, Arrived(store.positions)

    def __getattr__(self, name):
        return getattr(self._store, name)


@pytest.fixture(scope="module")
def city_and_store(tmp_path_factory):
    """Five streets; the fixes of street 4 arrive three hours late, and street 3 is walked twice with a long silence between."""
    late = walk(4, "09:40", "10:20")
    late["arrived"] = (pd.to_datetime(late["time"]) + pd.Timedelta(hours=3)).map(pd.Timestamp.isoformat)
    rest = pd.concat([*(walk(i) for i in range(3)), walk(3, "08:30", "09:40"), walk(3, "10:30", "12:00")])
    rest["arrived"] = rest["time"]
    city = write(tmp_path_factory.mktemp("follow"), positions1=pd.concat([rest, late], ignore_index=True))
    text = city.path.read_text(encoding="utf-8")
    city.path.write_text(text.replace('path = "positions*.csv"', 'path = "positions*.csv"\ncolumns = { arrived = "arrived" }'),
                         encoding="utf-8")  # fmt: skip
    city = load_city_file(city.path)
    store = opened(city)
    (run,) = audit_days(city, store, [DAY])
    yield city, store, run
    store.close()


def test_after_steps_at_any_moments_the_passes_are_those_of_an_audit(city_and_store):
    city, store, run = city_and_store
    start, end = day_bounds(DAY, city.zone)
    draw = random.Random(2026)
    seen = AsOf(store)
    moments = sorted(draw.randrange(start + 8 * HOUR, start + 14 * HOUR) for _ in range(3))
    follower = Follower(city, seen)
    for now in moments:
        seen.positions.by_ms = now
        follower.step(DAY)
        # an audit of what had arrived by then
        (then,) = audit_days(city, store, [DAY], arrived_before_ms=now)
        _, live = store.live_tables(DAY, ["passes"])
        assert live["passes"].combine_chunks().equals(store.passes(then.run_id)), now
        # and so is the outcome of every window, the silent and the excused ones among them
        _, live = store.live_tables(DAY, ["windows"])
        found, asked = live["windows"].to_pandas(), store.result(then.run_id, "section_windows")
        assert found["outcome"].tolist() == asked["outcome"].tolist(), now
        assert found["missing"].tolist() == asked["missing"].fillna("").tolist()
    seen.positions.by_ms = end
    follower.step(DAY)
    head, live = store.live_tables(DAY, TABLES)
    assert head.positions == store.positions.count(DAY)
    assert live["passes"].combine_chunks().equals(store.passes(run.run_id))
    assert follower.step(DAY) is None
    # the figures, too, are those of the audit
    windows, table = store.result(run.run_id, "section_windows"), live["windows"].to_pandas()
    assert table["section_id"].tolist() == windows["section_id"].tolist()
    for column in ("person_ids", "named_by", "outcome", "missing"):
        assert table[column].tolist() == windows[column].fillna("").tolist()
    reached = table["reached_ms"].to_numpy() >= 0
    assert reached.tolist() == (windows["outcome"] == "covered").tolist()
    inside = (table["reached_ms"] >= table["starts_ms"]) & (table["reached_ms"] < table["ends_ms"])
    assert inside[reached].all()
    assert 0 < reached.sum() < len(reached)
    days = store.result(run.run_id, "section_days").set_index("section_id")["completed_patrols"]
    found = live["patrols"].to_pandas()["section_id"].value_counts().reindex(days.index, fill_value=0)
    assert found.tolist() == days.tolist()
    assert days.sum() > STREETS


def test_the_newer_one_counts_and_a_day_that_is_over_is_cleared_up(city_and_store):
    city, store, run = city_and_store
    Follower(city, store).step(DAY)
    live = store.live(DAY)
    assert live.positions == store.positions.count(DAY)
    store.publish(run, {}, [])  # an audit under another moment may hold the pointer
    assert newer(store.current_run(DAY), live).run_id == run.run_id
    assert drop_over(store, DAY) == []  # the day is not over
    assert drop_over(store, DAY + timedelta(days=1)) == [DAY]
    assert store.live(DAY) is None


def test_a_day_nobody_has_been_heard_of_yet_and_one_without_roads(city_and_store, tmp_path):
    city, store, _ = city_and_store
    tomorrow = DAY + timedelta(days=1)
    live = Follower(city, store).step(tomorrow)
    assert isinstance(live, Live)
    assert (live.positions, live.until_ms) == (0, day_bounds(tomorrow, city.zone)[0])
    assert store.live_tables(tomorrow, ["windows"])[1]["windows"].num_rows > 0
    assert drop_over(store, tomorrow + timedelta(days=1)) == []  # never audited: kept a day longer
    assert drop_over(store, tomorrow + timedelta(days=2)) == [tomorrow]
    empty = open_store(f"embedded:{tmp_path / 'empty'}", timezone=city.timezone)
    empty.prepare()
    with pytest.raises(ImpossibleError, match="no roads"):
        Follower(city, empty).step(DAY)
    empty.close()


def test_the_service_loads_new_files_and_goes_on_after_one_it_cannot_read(tmp_path, monkeypatch):
    city = write(tmp_path, positions1=walk(0, "08:30", "09:30"))
    opened(city).close()
    stop, told = threading.Event(), []

    def tell(step):
        """Between the steps more comes: a file that is broken, then one that is whole."""
        told.append(step)
        if len(told) == 1:
            (tmp_path / "positions2.csv").write_text("device_id,time\nD1,2026-03-18T09:00:00+0800\n", encoding="utf-8")
        elif len(told) == 2:
            walk(1, "08:30", "09:00").to_csv(tmp_path / "positions2.csv", index=False)
        else:
            stop.set()

    clock = iter(np.arange(0, 4))  # the steps of one noon
    noon = datetime(DAY.year, DAY.month, DAY.day, 4, tzinfo=UTC)
    monkeypatch.setattr("etl.watch.SETTLED_S", -10.0)
    follow(city, city.store_url, stop=stop, every_s=0.0, load=True, tell=tell,
           now=lambda: noon + timedelta(seconds=int(next(clock))))  # fmt: skip
    assert [s.loaded for s in told] == [0, 0, 181]
    assert [s.error is None for s in told] == [True, False, True]
    assert [None if s.live is None else s.live.positions for s in told] == [361, None, 542]
    store = open_store(city.store_url, timezone=city.timezone)
    assert store.last_beat()["error"] == ""
    assert Watch(city, store).load_new() == 0  # what was loaded is known
    store.close()
