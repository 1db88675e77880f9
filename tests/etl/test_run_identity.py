"""What a run's id, and the id of a derived network, follow from: each ingredient changed in turn gives another one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from small_city import DAY, opened, roads, walk, write

from etl.inputs import DayTables
from etl.load import load_city
from etl.network_stage import Networks
from etl.pipeline import audit_days
from layers.city import Counting
from layers.city import Standard as Named
from layers.standard_editions import standard_of
from layers.store import open_store


def audited(city, store, **kw):
    (run,) = audit_days(city, store, [DAY], **kw)
    return run


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small city with half an hour of positions, and its run."""
    city = write(tmp_path_factory.mktemp("small"), positions=walk(0, "08:30", "09:00"))
    store = opened(city)
    yield city, store, audited(city, store)
    store.close()


def own_standard(city, text):
    (city.root / "own.toml").write_text(f'extends = "xiangshan-2019"\n{text}', encoding="utf-8")
    return city.model_copy(update={"standard": Named(path="own.toml")})


def changed(city, what):
    """The city with one thing changed."""
    if what.startswith("standard"):
        texts = {
            "standard figure": "[measure.full_patrol_share]\nvalue = 0.8",
            "standard words": '[measure.full_patrol_share]\nzh = "另一说法"',
            "standard of the pages alone": '[measure.rank_by]\nvalue = "rate_high"',
            "standard schedules": '[schedules.first]\nroles = ["squad_leader"]\nperiods = ["09:00-10:00"]\nreason_zh = "试"\nreason_en = "a try"',
        }  # fmt: skip
        return own_standard(city, texts[what])
    updates = {
        "counting": {"counting": Counting(unassigned=True, unassigned_mode="foot")},
        "matching": {"matching": {"sigma_m": 9.0}},
        "network": {"network": {"max_section_m": 2500.0}},
        "crs": {"metric_crs": "EPSG:4551"},
        "id": {"id": "other"},
    }
    return city.model_copy(update=updates[what])


CHANGES = (
    "standard figure", "standard words", "standard of the pages alone", "standard schedules", "counting", "matching", "network", "crs",
    "id",
)  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_the_files_say_is_in_the_run_id(small, what):
    city, store, run = small
    assert audited(changed(city, what), store).run_id != run.run_id
    assert audited(city, store).run_id == run.run_id  # and back again


def test_a_moment_of_arrival_is_in_the_run_id(small):
    city, store, run = small
    found = {audited(city, store, arrived_before_ms=ms).run_id for ms in (1_773_800_000_000, 1_773_800_000_001)}
    assert len(found | {run.run_id}) == 3


def test_the_version_of_the_public_calendar_is_in_the_run_id(small, monkeypatch):
    """A newer calendar knows days that the older one took by their weekday: the day is audited anew."""
    city, store, run = small
    monkeypatch.setattr("etl.pipeline.calendar_version", lambda source: f"{source} of another year")
    assert audited(city, store).run_id != run.run_id
    monkeypatch.undo()
    assert audited(city, store).run_id == run.run_id


def test_the_time_zone_is_in_the_run_id(small, tmp_path):
    city, _, run = small
    other = city.model_copy(update={"timezone": "Asia/Taipei"})  # the same clock by another name
    store = open_store(f"embedded:{tmp_path / 'other'}", timezone=other.timezone)
    store.prepare()
    load_city(other, store)
    assert audited(other, store).run_id != run.run_id
    store.close()


@pytest.mark.parametrize("what", ["positions", "roads"])
def test_what_is_loaded_is_in_the_run_id(tmp_path, what):
    city = write(tmp_path, positions=walk(0, "08:30", "09:00"))
    store = opened(city)
    run = audited(city, store)
    if what == "positions":
        walk(1, "08:30", "08:40").to_csv(tmp_path / "positions2.csv", index=False)
    else:
        body = roads()
        body["features"][0]["properties"]["name"] = "新名"
        (tmp_path / "roads.geojson").write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    store.close()
    store = opened(city)
    again = audited(city, store)
    assert again.run_id != run.run_id
    assert {r.run_id for r in store.runs(DAY)} == {run.run_id, again.run_id}
    store.close()


# --- the derived network ---
def network_id(city, store, *, day=DAY):
    return Networks(city, store, standard_of(city)).of(DayTables(store, day))[1]


@pytest.mark.parametrize(
    ("what", "same"),
    [
        ("rules", False),
        ("network", False),
        ("crs", False),
        ("standard figure", True),
        ("matching", True),
        ("counting", True),
    ],
)
def test_the_network_is_derived_again_where_it_follows_from_what_changed(small, what, same):
    city, store, _ = small
    without_main = own_standard(city, 'remove = ["road.main"]') if what == "rules" else changed(city, what)
    assert (network_id(without_main, store) == network_id(city, store)) is same


def test_a_class_without_a_rule_is_a_network_of_its_own(small):
    """The first network was stored with road.main: under a standard without that rule its sections ask for nothing."""
    city, store, _ = small
    bare = own_standard(city, 'remove = ["road.main"]')
    network, _ = Networks(bare, store, standard_of(bare)).of(DayTables(store, DAY))
    assert network.sections["rule_id"].isna().all()
    assert len(store.result(audited(bare, store).run_id, "section_windows")) == 0


def test_runs_differ_by_nothing_else(small):
    """When and how long it took is no ingredient."""
    city, store, run = small
    again = audited(city, store)
    assert replace(again, created_at=None, seconds={}) == replace(run, created_at=None, seconds={})
    assert len({r.run_id for r in store.runs(DAY)}) == len(store.runs(DAY))
