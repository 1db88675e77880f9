"""Both stores: a standard is stored once under its hash, a run pins it, and what was stored stays readable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import store_samples as samples

from gis.errors import InputError, StoreError
from layers.standard_editions import applied_standard, content_of, edition_id_of, store_standard, stored_standard
from layers.standard_files import load_standard, parse_standard

STANDARD = load_standard("xiangshan-2019")


def other(text=""):
    return parse_standard(f'extends = "xiangshan-2019"\nid = "own"\nversion = "2"\n{text}')


def test_stored_twice_it_stays_as_it_was_first_stored(store):
    moments = iter(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(9))
    store.clock = lambda: next(moments)
    first = store_standard(store, STANDARD, file="a.toml")
    second = store_standard(store, STANDARD, file="b.toml", author="李", reason="试")
    third = store_standard(store, other(), file="own.toml", author="李", reason="试")
    assert second == first == store.standard(first.edition_id)
    assert (first.file, first.author, first.stored_at.hour, first.standard_id) == ("a.toml", None, 0, "xiangshan-2019")
    assert (third.author, third.reason, third.version) == ("李", "试", "2")
    assert store.standards() == [first, third]
    assert first.edition_id == hashlib.sha256(first.content.encode()).hexdigest() == edition_id_of(STANDARD)
    assert store.standard("no such") is None


def test_what_is_read_back_is_what_was_stored(store):
    edition = store_standard(store, STANDARD, file="a.toml")
    found = stored_standard(store, edition.edition_id)
    assert (found.standard, found.added, found.dropped, found.stored) == (STANDARD, (), (), True)
    assert list(found.standard.schedules) == list(STANDARD.schedules)  # the first that fits holds


def test_the_order_of_schedules_is_part_of_the_content():
    turned = STANDARD.model_copy(update={"schedules": dict(reversed(STANDARD.schedules.items()))})
    assert edition_id_of(turned) != edition_id_of(STANDARD)


def test_a_run_pins_its_standard(store):
    edition = store_standard(store, other(), file="own.toml")
    store.publish(replace(samples.run("new"), standard_edition=edition.edition_id), {}, [samples.passes()])
    run = store.current_run(samples.DAY)
    assert run.standard_edition == edition.edition_id
    assert applied_standard(store, run, STANDARD).standard.id == "own"


def test_a_run_made_before_falls_back_to_the_present_file_and_says_so(store):
    store.publish(samples.run("old"), {}, [samples.passes()])
    found = applied_standard(store, store.current_run(samples.DAY), STANDARD)
    assert (found.standard, found.stored) == (STANDARD, False)


def test_a_later_program_reads_what_an_earlier_one_stored(store):
    """Settings that did not exist yet are filled in as shipped, ones that are known no more are left out; both are named."""
    body = json.loads(content_of(other('[measure.weight]\nvalue = "count"')))
    del body["measure"]["pace_s"], body["schedules"]["squad"]["periods"]
    body["measure"]["gone"] = {"value": 1}
    body["rules"]["road.main"]["gone"] = 2
    body["platform"]["lines"][1]["gone"] = 3
    found = stored_standard(store, store.put_standard(json.dumps(body), file="own.toml").edition_id)
    assert found.standard.measure.weight.value == "count"
    assert found.standard.measure.pace_s == STANDARD.measure.pace_s
    assert set(found.added) == {"measure.pace_s", "schedules.squad.periods"}
    assert set(found.dropped) == {"measure.gone", "rules.road.main.gone", "platform.lines.1.gone"}


@pytest.mark.parametrize("change", [{"format": 99}, {"measure": 3}, {"rules": {"x": {"kind": "no such"}}}])
def test_a_content_that_cannot_be_read_is_told(store, change):
    body = json.loads(content_of(STANDARD)) | change
    edition = store.put_standard(json.dumps(body), file="x.toml")
    with pytest.raises(StoreError) as caught:
        stored_standard(store, edition.edition_id)
    assert caught.value.faults[0].code == "standard.unreadable"


def test_a_standard_that_is_not_there_is_told(store):
    with pytest.raises(StoreError) as caught:
        applied_standard(store, replace(samples.run("r"), standard_edition="0" * 64), STANDARD)
    assert caught.value.faults[0].code == "standard.lost"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": 1, "version": "2"}'])
def test_what_is_no_standard_is_not_stored(store, content):
    with pytest.raises(InputError):
        store.put_standard(content, file="x.toml")
    assert store.standards() == []
