"""Both stores: live evidence is replaced as a whole, read as one, dropped without a trace, and an audit that knows as much goes before it."""

from dataclasses import replace

import pyarrow as pa
import pytest
import store_samples as samples

from gis.errors import InputError
from layers.store import steps
from layers.store.base import Live
from layers.store.live import TABLES, newer

DAY = samples.DAY


def live(positions=100, until_ms=samples.DAY_START + 1000):
    return Live(DAY, until_ms, positions, {"segments": "s"}, "1.0", {"match": 0.5})


def tables(n=3):
    return {
        "passes": samples.passes(n),
        "patrols": pa.table({"section_id": [f"路{i}" for i in range(n)], "completed_ms": list(range(n))}),
        "windows": pa.table(
            {
                "section_id": ["路"],
                "starts_ms": [1],
                "ends_ms": [2],
                "person_ids": ["A;B"],
                "named_by": ["roster"],
                "outcome": ["unknown"],
                "missing": [""],
                "reached_ms": [-1],
            }
        ),
        "rounds": pa.table({"grid_id": ["g"] * n, "completed_ms": list(range(n))}),
    }


def test_evidence_is_replaced_as_a_whole_and_gets_a_number_of_its_own(store):
    assert store.live(DAY) is None
    assert store.live_tables(DAY, ["patrols"]) is None
    first = store.put_live(live(), tables(3))
    second = store.put_live(live(200), tables(5))
    assert second.serial > first.serial
    assert store.live(DAY) == second == replace(live(200), made_at=second.made_at, serial=second.serial)
    head, found = store.live_tables(DAY, TABLES)
    assert head == second
    for name, table in tables(5).items():
        assert found[name].to_pydict() == table.to_pydict()
        assert found[name].schema == TABLES[name]
    assert store.live_days() == [DAY]
    store.drop_live(DAY)
    store.drop_live(DAY)
    assert store.live_days() == []
    assert store.live(DAY) is None
    assert store.put_live(live(), tables()).serial > second.serial  # a number is never given twice


def test_a_step_that_dies_leaves_the_one_before(store, monkeypatch):
    first = store.put_live(live(), tables(3))

    def die(step):
        if step == "live.before_commit":
            raise KeyboardInterrupt

    monkeypatch.setattr(steps, "reached", die)
    with pytest.raises(KeyboardInterrupt):
        store.put_live(live(200), tables(5))
    head, found = store.live_tables(DAY, ["patrols"])
    assert head == first
    assert found["patrols"].num_rows == 3


def test_live_evidence_is_no_audit(store):
    store.put_live(live(), tables())
    assert store.current_run(DAY) is None
    assert store.runs() == []
    assert store.run_days() == []


def test_what_breaks_the_contract_is_refused(store):
    with pytest.raises(InputError, match="wrong tables: rounds"):
        store.put_live(live(), {n: t for n, t in tables().items() if n != "rounds"})
    with pytest.raises(InputError, match="patrols"):
        store.put_live(live(), {**tables(), "patrols": pa.table({"section_id": ["a"]})})
    with pytest.raises(InputError, match="no table x"):
        store.live_tables(DAY, ["x"])
    assert store.live(DAY) is None


def test_the_newest_beat_counts(store):
    assert store.last_beat() is None
    store.beat({"day": str(DAY), "error": "忙"})
    store.beat({"day": str(DAY), "error": ""})
    told = store.last_beat()
    assert told["error"] == ""
    assert told["at_ms"] > 0


def test_the_newer_evidence_is_that_with_more_positions_and_of_equals_the_audit():
    run = replace(
        samples.run("r"),
        inputs=[{"name": f"positions {DAY}", "rows": 100}, {"name": "positions 2026-03-17", "rows": 900}],
    )
    assert newer(None, None) is None
    assert newer(run, None) is run
    assert newer(None, live()) == live()
    assert newer(run, live(100)) is run
    assert newer(run, live(101)) == live(101)
