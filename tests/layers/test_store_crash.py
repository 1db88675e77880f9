"""Killed with SIGKILL at any moment of a load or a publish, a store is as it was; done again, the write is whole and nothing is double."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
import store_samples as samples
import store_victim as victim

from layers.store import open_store
from layers.store.base import SourceRecord

DAYS = [samples.DAY, samples.DAY + timedelta(days=1)]
STEPS = {
    "positions": [
        "positions.staged",
        "positions.written",
        "positions.one_renamed",
        "positions.renamed",
        "positions.before_commit",
    ],
    "table": ["load.rows", "load.before_commit"],
    "publish": ["publish.staged", "publish.rows", "publish.renamed", "publish.passes", "publish.before_commit"],
}
EMBEDDED_ONLY = {"positions.one_renamed", "positions.renamed", "publish.renamed"}  # PostgreSQL has no files of ours


def state(store):
    """All that a reader can see."""
    run = store.current_run(samples.DAY)
    edition = store.edition_at("work_grids", samples.DAY)
    return {
        "positions": [(d, store.positions.count(d), store.positions.sha256(d)) for d in store.positions.days()],
        "editions": store.editions(),
        "rows": None if edition is None else list(store.read("work_grids", edition.edition_id)["grid_id"]),
        "manifests": store.manifests(),
        "quarantine": len(store.quarantine()),
        "runs": store.runs(),
        "current": None
        if run is None
        else (run.run_id, list(store.result(run.run_id, "grid_days")["outcome"]), len(store.passes(run.run_id))),
    }


def prepared(url):
    """A store that holds something of everything."""
    store = open_store(url)
    store.prepare()
    rows = samples.positions(5000)
    store.positions.load([rows], SourceRecord("p", "positions", "old.csv", "ab", 5000), samples.NO_QUARANTINE)
    store.load(
        samples.grids("abc"),
        SourceRecord("g", "work_grids", "old.shp", "ab", 3),
        samples.NO_QUARANTINE,
        valid_from=date(2026, 1, 1),
    )
    store.publish(samples.run("old"), {"grid_days": samples.grid_days(["covered"] * 20)}, [samples.passes(1000)])
    return store


class Children:
    """Processes to be killed, forked from one that has imported everything (store_victim.py)."""

    def __init__(self):
        root = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
        self._mother = subprocess.Popen(
            [sys.executable, victim.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._pid = 0

    def start(self, url, what, step="-"):
        self._mother.stdin.write(json.dumps([url, what, step]) + "\n")
        self._mother.stdin.flush()
        said = [self._mother.stdout.readline(), self._mother.stdout.readline()]
        said.sort(key=lambda line: line.startswith("pid "))  # mother and child speak at the same time
        self._pid = int(said[1].removeprefix("pid "))
        assert said[0] == "writing\n"

    def kill(self):
        with suppress(ProcessLookupError):  # it may have come to its end
            os.kill(self._pid, signal.SIGKILL)

    def end(self):
        """How it ended, and what it said after `writing`."""
        said = []
        while not (line := self._mother.stdout.readline()).startswith("exit "):
            assert line, "the mother process has ended"
            said.append(line)
        return int(line.removeprefix("exit ")), said

    def close(self):
        self._mother.stdin.close()
        self._mother.wait(timeout=60)
        self._mother.stdout.close()


@pytest.fixture(scope="module")
def children():
    made = Children()
    yield made
    made.close()


def files(url):
    folder = Path(url.removeprefix("embedded:"))
    return (
        {p for p in folder.rglob("*") if p.is_file() and p.suffix == ".parquet"}
        if url.startswith("embedded:")
        else set()
    )


def whole(store, before, what):
    """The victim's write done in full over `before`."""
    after = state(store)
    if what == "positions":
        assert store.positions.days() == DAYS
        loaded = store.manifests()[0]
        assert loaded.inserted + loaded.already_present == victim.ROWS
        assert sum(n for _, n, _ in after["positions"]) == sum(n for _, n, _ in before["positions"]) + loaded.inserted
        assert all(len(store.positions.scan(d)) == n for d, n, _ in after["positions"])
    elif what == "table":
        assert after["rows"] == [f"g{i}" for i in range(3000)] + ["a", "b", "c"]  # new.shp sorts before old.shp
    else:
        assert after["current"] == ("new", ["missed"] * 20, 50_000)
        assert len(after["runs"]) == 2


@pytest.mark.parametrize(("what", "step"), [(w, s) for w, steps in STEPS.items() for s in steps])
def test_killed_at_a_step(store_url, children, what, step):
    if step in EMBEDDED_ONLY and not store_url.startswith("embedded:"):
        pytest.skip("this step renames files, which only the embedded store does")
    store = prepared(store_url)
    before, held = state(store), files(store_url)
    children.start(store_url, what, step)
    assert children.end() == (-signal.SIGKILL, [])
    assert state(store) == before
    store.close()
    store = open_store(store_url)  # as after a restart of the machine
    store.prepare()
    assert state(store) == before
    assert files(store_url) == held  # swept
    victim.write(store, what)
    whole(store, before, what)
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("what", list(STEPS))
def test_killed_at_a_random_moment(store_url, children, what):
    """Whenever the kill comes, a reader sees the state before or the whole write, and the write can be done again."""
    store = prepared(store_url)
    before = state(store)
    dice, killed = random.Random(7), 0
    for _ in range(4):
        children.start(store_url, what)
        time.sleep(dice.uniform(0.0, 0.15))
        children.kill()
        children.end()
        store.prepare()
        if len(store.manifests()) + len(store.runs()) == len(before["manifests"]) + len(before["runs"]):
            killed += 1
            assert state(store) == before
    victim.write(store, what)
    if killed == 4:
        whole(store, before, what)
    elif what == "positions":
        assert sum(m.inserted for m in store.manifests() if m.record.table == "positions") == sum(
            store.positions.count(d) for d in DAYS
        )
    elif what == "publish":
        assert [r.run_id for r in store.runs()] == ["new", "old"]
    else:
        assert len(state(store)["rows"]) == 3003
    store.close()
