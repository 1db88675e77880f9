"""Both stores: every table goes in and comes out the same, editions follow their rules, bad frames are refused with every fault."""

from __future__ import annotations

from datetime import date

import geopandas as gpd
import pandas as pd
import pytest
import shapely
import sqlalchemy as sa
import store_samples as samples
from geopandas.testing import assert_geodataframe_equal

from gis.errors import InputError, StoreError
from layers import models
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import SourceRecord

INPUT = [n for n, t in TABLES.items() if t.kind == "input"]
JAN, MAR, JUN = date(2026, 1, 1), date(2026, 3, 1), date(2026, 6, 1)


def same(left, right):
    if isinstance(right, gpd.GeoDataFrame):
        assert_geodataframe_equal(left, right, check_crs=True)
    else:
        pd.testing.assert_frame_equal(left, right)


def load(store, ids, *, source="g", path="g.shp", valid_from=JAN, quarantine=samples.NO_QUARANTINE, **kw):
    rows = len(ids) + len(quarantine)
    return store.load(
        samples.grids(ids, **kw),
        SourceRecord(source, "work_grids", path, "ab", rows),
        quarantine,
        valid_from=valid_from,
    )


def current(store, day=MAR):
    edition = store.edition_at("work_grids", day)
    return list(store.read("work_grids", edition.edition_id)["grid_id"])


def test_every_table_comes_back_as_it_was(store):
    """Values, nulls, order, dtypes, CRS and time zone; texts that CSV or SQL could spoil are among the values."""
    for name in INPUT:
        frame = samples.frame(TABLES[name])
        manifest = store.load(frame, samples.record(name, len(frame)), samples.NO_QUARANTINE, valid_from=JAN)
        assert (manifest.inserted, manifest.already_present, manifest.quarantined) == (12, 0, 0), name
        same(store.read(name, manifest.edition_id), frame)
    for name in ("segments", "sections"):
        frame = samples.frame(TABLES[name])
        edition = store.put_derived(name, frame, edition_id="net-1", valid_from=JAN)
        assert (edition.edition_id, edition.rows, edition.table) == ("net-1", 12, name)
        same(store.read(name, "net-1"), frame)


def test_notes_of_a_load_come_back_in_both_languages_and_those_of_earlier_versions_as_they_are(store):
    load(store, "ab", source="old")
    with store.engine.begin() as conn:
        record = conn.execute(sa.select(models.manifests.c.record)).scalar_one()
        conn.execute(sa.update(models.manifests).values(record={**record, "notes": ["修复 1 处"]}))
    made = store.load(samples.grids("cd"), samples.record("work_grids", 2), samples.NO_QUARANTINE, valid_from=MAR)
    assert [m.record.notes for m in store.manifests()] == [made.record.notes, (("修复 1 处", "修复 1 处"),)]
    assert made.record.notes[0].en == "2 geometries repaired"


def test_every_result_table_comes_back_with_its_day(store):
    tables = {n: samples.frame(t) for n, t in TABLES.items() if t.kind == "result"}
    store.publish(samples.run(), tables, [samples.passes()])
    for name, frame in tables.items():
        back = store.result("run-1", name)
        assert set(back.pop("day")) == {samples.DAY}, name
        same(back, frame)
        both = store.results([samples.DAY, date(2026, 3, 19)], name)
        assert len(both) == 12


def test_nothing_comes_back_as_an_empty_frame_of_the_contract(store):
    for name in INPUT:
        back = store.read(name, None)
        same(back, samples.frame(TABLES[name], 3).iloc[:0].reset_index(drop=True))
    assert store.edition_at("work_grids", JAN) is None
    assert store.editions() == []
    assert store.manifests() == []


def test_an_empty_source_makes_an_edition_without_rows(store):
    frame = samples.frame(TABLES["units"]).iloc[:0]
    manifest = store.load(frame, samples.record("units", 0), samples.NO_QUARANTINE, valid_from=JAN)
    assert store.edition_at("units", JAN).rows == 0
    assert len(store.read("units", manifest.edition_id)) == 0


def test_where_filters_by_value_list_missing_time_and_date(store):
    frame = samples.frame(TABLES["persons"])
    edition = store.load(frame, samples.record("persons", 12), samples.NO_QUARANTINE, valid_from=JAN).edition_id
    ids = lambda where: list(store.read("persons", edition, where=where)["person_id"])  # noqa: E731
    assert ids({"person_id": "k004键"}) == ["k004键"]
    assert ids({"person_id": ["k009键", "k002键", "nobody"]}) == ["k002键", "k009键"]  # the stored order
    assert ids({"person_id": []}) == []
    assert ids({"unit_id": None}) == [f"k{i:03d}键" for i in (1, 4, 7, 10)]
    assert ids({"unit_id": [None, "象山港路"]}) == [f"k{i:03d}键" for i in (0, 1, 4, 7, 10)]
    assert ids({"name": 'a "quoted", text'}) == ["k002键"]
    assert ids({"name": "x'; DROP TABLE persons; --"}) == []
    assert ids({"valid_from": frame["valid_from"][3]}) == ["k003键"]
    scenes = samples.frame(TABLES["scenes"])
    edition = store.load(scenes, samples.record("scenes", 12), samples.NO_QUARANTINE, valid_from=JAN).edition_id
    assert list(store.read("scenes", edition, where={"acquired": date(2026, 3, 20)})["scene_id"]) == ["k002键"]
    with pytest.raises(InputError, match="no column colour"):
        store.read("scenes", edition, where={"colour": 1})


def test_loading_twice_changes_nothing(store):
    first, second = load(store, "abc"), load(store, "abc")
    assert (first.inserted, first.already_present) == (3, 0)
    assert (second.inserted, second.already_present) == (0, 3)
    assert first.edition_id == second.edition_id
    assert len(store.editions()) == 1
    assert current(store) == ["a", "b", "c"]
    assert [m.manifest_id for m in store.manifests()] == [second.manifest_id, first.manifest_id]
    assert store.manifests()[1] == first  # and the ledger gives back what load returned
    assert store.manifests(table=first.record.table, limit=1) == [second]
    assert store.manifests(table="roads") == []


def test_sources_of_one_table_and_day_add_up(store):
    load(store, "ab", source="north", path="n.shp")
    manifest = load(store, "cd", source="south", path="s.shp")
    assert current(store) == ["a", "b", "c", "d"]
    assert store.edition_at("work_grids", MAR).rows == 4
    assert len(store.edition_at("work_grids", MAR).manifest_ids) == 2
    again = load(store, "ab", source="north", path="n.shp")
    assert (again.already_present, again.edition_id) == (2, manifest.edition_id)


def test_the_edition_does_not_depend_on_the_order_of_loading(store_url, tmp_path):
    ids = []
    for order, url in (("ns", store_url), ("sn", f"embedded:{tmp_path / 'other'}")):
        store = open_store(url)
        store.prepare()
        for which in order:
            load(store, {"n": "ab", "s": "cd"}[which], source=which, path=which)
        ids.append(store.edition_at("work_grids", MAR).edition_id)
        store.close()
    assert ids[0] == ids[1]  # nor on the kind of store


def test_a_changed_source_takes_its_own_place_only(store):
    load(store, "ab", source="north", path="n.shp")
    load(store, "cd", source="south", path="s.shp")
    manifest = load(store, "bx", source="north", path="n.shp")
    # b is the second square before and the first now: other geometry, so both rows are new
    assert (manifest.inserted, manifest.already_present) == (2, 0)
    assert current(store) == ["b", "x", "c", "d"]
    grown = load(store, "bxy", source="north", path="n.shp")
    assert (grown.inserted, grown.already_present) == (1, 2)


def test_rows_that_another_source_has_count_as_present_and_conflicts_are_refused(store):
    load(store, "abc", source="one", path="1")
    manifest = load(store, "abcd", source="two", path="2")
    assert (manifest.inserted, manifest.already_present) == (1, 3)
    assert current(store) == ["a", "b", "c", "d"]
    with pytest.raises(InputError, match="differ from another source") as caught:
        load(store, "ab", source="three", path="3", level="fringe")
    assert caught.value.faults[0].row == 1
    assert current(store) == ["a", "b", "c", "d"]


def test_the_edition_in_force_is_the_latest_loaded_of_the_latest_day(store):
    january = load(store, "a", valid_from=JAN).edition_id
    june = load(store, "abc", valid_from=JUN).edition_id
    march = load(store, "ab", valid_from=MAR).edition_id
    at = lambda day: store.edition_at("work_grids", day)  # noqa: E731
    assert at(date(2025, 12, 31)) is None
    assert at(JAN).edition_id == january
    assert at(date(2026, 2, 28)).edition_id == january
    assert at(MAR).edition_id == march
    assert at(date(2026, 12, 31)).edition_id == june
    assert [e.valid_from for e in store.editions("work_grids")] == [JAN, JUN, MAR]
    corrected = load(store, "xy", valid_from=MAR).edition_id
    assert at(MAR).edition_id == corrected
    assert list(store.read("work_grids", march)["grid_id"]) == ["a", "b"]  # nothing is overwritten
    back = load(store, "ab", valid_from=MAR)  # the former content again is the former edition, in force again
    assert back.edition_id == march == at(MAR).edition_id
    assert len(store.editions()) == 4


def test_a_derived_table_is_stored_once(store):
    frame = samples.frame(TABLES["segments"])
    first = store.put_derived("segments", frame, edition_id="h", valid_from=JAN)
    assert store.put_derived("segments", frame.iloc[:2], edition_id="h", valid_from=MAR) == first
    assert len(store.read("segments", "h")) == 12
    with pytest.raises(InputError, match="no edition"):
        store.read("sections", "h")


def test_quarantined_rows_are_kept_with_their_reasons(store):
    rejected = pd.DataFrame(
        {
            "row": [3, 3, 5], "column": ["时间", "lat", None], "code": ["time.naive", "value.range", "row.short"], "zh": ["没有时区", "纬度", "列数不足"],
            "en": ["naive", "latitude", "short"], "raw": ['{"a": 1}', None, None],
        }
    )  # fmt: skip
    manifest = store.load(samples.grids("a"), SourceRecord("g", "work_grids", "g", "ab", 3), rejected, valid_from=JAN)
    # three faults, two rows: a row counts once, under its first reason
    assert (manifest.inserted, manifest.quarantined) == (1, 2)
    assert manifest.reasons == {"row.short": 1, "time.naive": 1}
    back = store.quarantine(manifest.manifest_id)
    assert list(back["row"]) == [3, 3, 5]
    assert list(back["code"]) == list(rejected["code"])
    assert list(back["source"]) == ["g"] * 3
    assert back["raw"][0] == '{"a": 1}'
    assert back["column"].isna().tolist() == [False, False, True]
    assert len(store.quarantine(limit=1, offset=2)) == 1
    again = store.load(samples.grids("a"), SourceRecord("g", "work_grids", "g", "ab", 3), rejected, valid_from=JAN)
    assert again.quarantined == 2
    assert len(store.quarantine()) == 3  # an equal load does not double them
    assert list(store.quarantine(again.manifest_id)["row"]) == [3, 3, 5]


def test_rows_that_do_not_add_up_are_refused(store):
    with pytest.raises(InputError, match="the sum is wrong"):
        store.load(
            samples.grids("ab"), SourceRecord("g", "work_grids", "g", "ab", 3), samples.NO_QUARANTINE, valid_from=JAN
        )
    assert store.manifests() == []


def test_every_fault_of_a_frame_is_told_at_once(store):
    frame = samples.frame(TABLES["cases"], 4)
    frame["opened"] = frame["opened"].dt.tz_localize(None)
    frame["case_id"] = ["x", "x", "y", "z"]
    frame["located"] = [True, None, False, True]
    frame["colour"] = 1
    frame = frame.drop(columns=["channel"])
    frame["status"] = pd.Series([1, 2, 3, 4], dtype=object)
    frame = frame.set_crs("EPSG:2249", allow_override=True)
    with pytest.raises(InputError) as caught:
        store.load(frame, samples.record("cases", 4), samples.NO_QUARANTINE, valid_from=JAN)
    found = {(f.code, f.column) for f in caught.value.faults}
    assert found == {
        ("time.naive", "opened"), ("key.duplicate", "case_id"), ("value.null", "located"), ("column.unknown", "colour"), ("column.missing", "channel"),
        ("value.dtype", "status"), ("geometry.crs", "geometry"),
    }  # fmt: skip
    assert all(f.zh and f.en and f.file == "data/a.csv" for f in caught.value.faults)
    assert next(f.row for f in caught.value.faults if f.code == "key.duplicate") == 2


@pytest.mark.parametrize(
    ("column", "values", "code"),
    [
        ("oneway", [0.5, 1, 2], "value.dtype"),
        ("oneway", ["1", "2", "3"], "value.dtype"),
        ("oneway", [True, False, True], "value.dtype"),
        ("bridge", [0, 1, 0], "value.dtype"),
        ("geometry", [shapely.Point(1, 1)] * 3, "value.dtype"),
        ("geometry", [shapely.LineString([(500000, 3200000), (500001, 3200001)])] * 3, "geometry.range"),
        ("geometry", [None] * 3, "value.null"),
        ("edge_id", [1, 2, 3], "value.dtype"),
    ],
)
def test_a_wrong_value_is_named(store, column, values, code):
    frame = samples.frame(TABLES["road_edges"], 3)
    frame[column] = gpd.GeoSeries(values, crs="EPSG:4326") if column == "geometry" else pd.Series(values)
    with pytest.raises(InputError) as caught:
        store.load(frame, samples.record("road_edges", 3), samples.NO_QUARANTINE, valid_from=JAN)
    assert [(f.code, f.column, f.row) for f in caught.value.faults] == [(code, column, 1)]


def test_a_missing_crs_is_an_error(store):
    frame = samples.grids("ab").set_crs(None, allow_override=True)
    with pytest.raises(InputError, match="EPSG:4326"):
        store.load(frame, samples.record("work_grids", 2), samples.NO_QUARANTINE, valid_from=JAN)


def test_values_that_only_look_different_are_taken(store):
    """Integers as floats, local times, heights, columns in another order, optional columns left out."""
    frame = samples.frame(TABLES["road_edges"], 4)
    wanted = frame.copy()
    frame["oneway"] = frame["oneway"].astype(float)
    frame["geometry"] = gpd.GeoSeries(shapely.force_3d(frame.geometry.array, 5.0), crs="OGC:CRS84")
    frame = frame.drop(columns=["name"]).iloc[:, ::-1]
    frame.index = [7, 8, 9, 9]
    wanted["name"] = pd.Series([None] * 4, dtype="str")
    edition = store.load(frame, samples.record("road_edges", 4), samples.NO_QUARANTINE, valid_from=JAN).edition_id
    same(store.read("road_edges", edition), wanted)
    cases = samples.frame(TABLES["cases"], 4)
    local = cases.assign(opened=cases["opened"].dt.tz_convert("Asia/Shanghai").dt.as_unit("ns"))
    edition = store.load(local, samples.record("cases", 4), samples.NO_QUARANTINE, valid_from=JAN).edition_id
    same(store.read("cases", edition), cases)


def test_unknown_tables_are_refused(store):
    with pytest.raises(InputError, match="no table named 'sections'"):  # a derived table is not loaded
        store.load(
            samples.frame(TABLES["sections"]), samples.record("sections", 12), samples.NO_QUARANTINE, valid_from=JAN
        )
    with pytest.raises(InputError, match="no table named"):
        store.read("grid_days", None)


def test_ledgers_append_and_filter(store):
    for name, role, active in (("李", "manager", True), ("王", "viewer", True), ("李", "viewer", False)):
        store.ledger_append(
            "users", {"name": name, "role": role, "active": active, "n": 3, "scope": ["a", "b"], "note": None}
        )
    rows = store.ledger("users", where={"name": "李"})
    assert list(rows["role"]) == ["viewer", "manager"]  # newest first
    assert list(rows.columns) == ["at", "name", "role", "active", "n", "scope", "note"]
    assert str(rows["at"].dtype) == "datetime64[ms, UTC]"
    assert rows["scope"][0] == ["a", "b"]
    assert list(store.ledger("users", where={"active": True, "n": 3})["name"]) == ["王", "李"]
    assert len(store.ledger("users", where={"note": None})) == 3
    assert len(store.ledger("users", limit=2)) == 2
    assert len(store.ledger("access_log")) == 0
    with pytest.raises(InputError, match="no ledger"):
        store.ledger("secrets")
    assert not issubclass(InputError, StoreError)


def test_bounds_are_those_of_the_rows(store):
    ids = ["G1", "G2"]
    edition = load(store, ids).edition_id
    west, south, east, north = store.read("work_grids", edition).total_bounds
    assert store.bounds("work_grids", edition) == (west, south, east, north)
