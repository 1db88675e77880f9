"""What a town, a squad and each role may read: every table of the contracts, tracks, passes, ledgers, geometry."""

from __future__ import annotations

import pandas as pd
import pytest
import shapely
from conftest import sign_in
from hypothesis import given
from hypothesis import strategies as st
from town import CITY, DAY, ms

from dashboards.app import create_desk
from dashboards.auth.principal import ForbiddenError, Principal, Scope
from dashboards.scope import on_duty
from dashboards.scope_rules import RULES
from dashboards.settings import DeskSettings
from layers.contracts import TABLES

FOREIGN = {"A": ("B", "squadB", "c3", "c4", "c5", "s3", "s4", "s5", "r3", "g1", "cgB", "pB", "dB", "caseB", "天安路")}


@pytest.fixture(scope="module")
def desk(town_store):
    return create_desk(town_store, CITY, DeskSettings())


@pytest.fixture(scope="module")
def reader(desk):
    def make(role, scope):
        return desk.view_of(Principal("x", role, Scope.parse(scope)), "zh").data

    return make


def test_every_table_of_the_contracts_has_a_rule():
    assert set(RULES) == set(TABLES)


def test_the_county_sees_everything(reader):
    data = reader("manager", "county")
    assert len(data.read("sections", DAY)) == 6
    assert set(data.result("rollups", DAY)["level"]) == {"county", "town", "squad", "road", "person", "class"}


# Counted from town.py: town A holds streets 0-2, squad A patrols them; squad B streets 3-5.
EXPECTED = {
    "sections": ("section_id", {"c0", "c1", "c2"}),
    "segments": ("segment_id", {"s0", "s1", "s2"}),
    "work_grids": ("grid_id", {"g0"}),
    "community_grids": ("grid_id", {"cgA"}),
    "areas": ("area_id", {"A"}),
    "units": ("unit_id", {"A", "squadA"}),
    "persons": ("person_id", {"pA"}),
    "devices": ("device_id", {"dA"}),
    "assignments": ("device_id", {"dA"}),
    "cases": ("case_id", {"caseA"}),
}


@pytest.mark.parametrize("table", EXPECTED)
def test_a_town_reads_its_own_rows(reader, table):
    key, ids = EXPECTED[table]
    assert set(reader("manager", "town:A").read(table, DAY)[key]) == ids


def test_a_town_reads_its_own_results(reader):
    data = reader("manager", "town:A")
    assert set(data.result("segment_days", DAY)["segment_id"]) == {"s0", "s1", "s2"}
    assert set(data.result("people", DAY)["person_id"]) == {"pA"}
    rollups = data.result("rollups", DAY)
    assert set(zip(rollups["level"], rollups["key"], strict=True)) == {
        ("town", "A"),
        ("squad", "squadA"),
        ("road", "r0"),
        ("person", "pA"),
    }
    assert len(data.results("segment_days", [DAY])) == 3


def test_a_squad_reads_its_own_and_not_its_town(reader):
    data = reader("command", "squad:squadB")
    assert set(data.read("sections", DAY)["section_id"]) == {"c3", "c4", "c5"}
    rollups = data.result("rollups", DAY)
    assert set(zip(rollups["level"], rollups["key"], strict=True)) == {
        ("squad", "squadB"),
        ("road", "r3"),
        ("person", "pB"),
    }
    assert data.read("community_grids", DAY).empty


@pytest.mark.parametrize("table", [t for t in TABLES if t != "scenes"])
def test_nothing_of_another_town_leaks_from_any_table(reader, table):
    data = reader("administrator", "town:A")
    frame = data.result(table, DAY) if TABLES[table].kind == "result" else data.read(table, DAY)
    text = frame.drop(columns=[c for c in ("geometry",) if c in frame]).to_csv(index=False)
    values = {v for line in text.splitlines()[1:] for v in line.replace('"', "").split(",")}
    assert not values & set(FOREIGN["A"])
    if "geometry" in frame and len(frame):
        assert shapely.bounds(frame["geometry"].to_numpy())[:, 3].max() < 29.4845  # town B begins at 29.483 north


def test_an_unknown_scope_sees_nothing(reader):
    data = reader("manager", "town:none-such")
    assert all(data.read(t, DAY).empty for t in TABLES if TABLES[t].kind != "result" and t != "scenes")
    assert all(data.result(t, DAY).empty for t in ("segment_days", "rollups", "people"))


def test_planners_see_no_tracks_and_no_devices_of_passes(reader):
    data = reader("planner", "county")
    with pytest.raises(ForbiddenError):
        data.tracks(DAY, purpose="test")
    passes = data.passes(DAY, purpose="test")
    assert passes["segment_id"].to_pylist() == ["s0", "s3"]
    assert {"device_id", "track_ix"}.isdisjoint(passes.column_names)


def test_a_scope_without_rows_keeps_the_columns_over_several_days(reader):
    data = reader("planner", "town:none-such")
    assert list(data.results("grid_days", [DAY]).columns) == list(data.result("grid_days", DAY).columns)
    assert "grid_id" in data.results("grid_days", [DAY])


def test_planners_get_no_rows_of_single_persons_or_devices_on_pages_or_in_files(reader):
    whole, data = reader("manager", "county"), reader("planner", "county")
    assert len(whole.result("people", DAY))
    for table in ("people", "device_days"):
        assert data.result(table, DAY).empty
        assert list(data.result(table, DAY).columns) == list(whole.result(table, DAY).columns)
    assert "person" not in set(data.result("rollups", DAY)["level"])
    assert len(data.result("rollups", DAY)) == (whole.result("rollups", DAY)["level"] != "person").sum()


def test_the_access_log_is_for_administrators_of_the_county(reader):
    for role, scope in (("manager", "county"), ("administrator", "town:A")):
        with pytest.raises(ForbiddenError):
            reader(role, scope).access_log()
    data = reader("administrator", "county")
    data.log("export", day=DAY, purpose="table")
    assert data.access_log(limit=1)["event"].tolist() == ["export"]


def test_tracks_are_kept_to_duty_time_and_to_the_scope_and_are_logged(reader, town_store):
    before = len(town_store.ledger("access_log", where={"event": "tracks"}))
    tracks = reader("command", "county").tracks(DAY, purpose="looking")
    assert tracks[["person_id", "t_ms"]].to_numpy().tolist() == [["pA", ms(9)], ["pB", ms(9)]]  # 20:00 is after hours
    own = reader("manager", "town:A").tracks(DAY, purpose="looking")
    assert own["person_id"].tolist() == ["pA"]
    assert reader("manager", "town:A").tracks(DAY, device_ids=["dB"], purpose="prying").empty
    assert reader("manager", "town:A").tracks(DAY, person_ids=["pB"], purpose="prying").empty
    log = town_store.ledger("access_log", where={"event": "tracks"})
    assert len(log) == before + 4
    assert log["purpose"].tolist()[:4] == ["prying", "prying", "looking", "looking"]
    assert log["persons"].iloc[3] == ["pA", "pB"]


def test_passes_are_cut_to_the_scope_even_where_asked_for(reader):
    data = reader("manager", "town:A")
    assert data.passes(DAY, purpose="test")["segment_id"].to_pylist() == ["s0"]
    assert data.passes(DAY, segment_ids=["s3"], purpose="test").num_rows == 0
    assert data.passes(DAY, segment_ids=["s0"], purpose="test")["device_id"].to_pylist() == ["dA"]


def test_ledgers_are_for_the_whole_county_and_by_role(reader):
    for ask in ("manifests", "quarantine", "editions", "access_log"):
        with pytest.raises(ForbiddenError):
            getattr(reader("administrator", "town:A"), ask)()
    for role in ("planner", "command", "manager"):
        with pytest.raises(ForbiddenError):
            reader(role, "county").access_log()
    with pytest.raises(ForbiddenError):
        reader("planner", "county").quarantine()
    with pytest.raises(ForbiddenError):
        reader("planner", "county").confirm({"figure": "x"})
    assert reader("planner", "county").manifests() != []


def test_a_town_sees_the_confirmations_of_its_own_figures(reader):
    reader("manager", "county").confirm({"figure": "this test's"})
    own = reader("manager", "town:A")
    own.confirm(
        {"figure": "this test's", "scope": "county", "by": "somebody else"}
    )  # neither name nor scope can be pretended
    assert own.confirmations().iloc[0][["by", "scope"]].tolist() == ["x", "town:A"]
    assert set(own.confirmations()["scope"]) == {"town:A"}
    assert reader("manager", "town:B").confirmations().empty
    assert {"county", "town:A"} <= set(reader("manager", "county").confirmations()["scope"])
    with pytest.raises(ForbiddenError):
        reader("planner", "town:A").confirmations()


def test_geometry_over_http_is_cut_to_the_scope(server):
    town, county = sign_in(server.url, "town-a"), sign_in(server.url, "admin")
    url = f"/api/geometry/segments/seg1?day={DAY}"
    mine, all_of_it = town.get(url).content, county.get(url).content
    assert b"s2" in mine
    assert b"s3" not in mine
    assert "新华路".encode() in mine
    assert "象山港路".encode() not in mine
    assert b"s3" in all_of_it
    again = town.get(url, headers={"if-none-match": town.get(url).headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert county.get(url).headers["etag"] != town.get(url).headers["etag"]
    assert town.get(f"/api/geometry/users/x?day={DAY}").status_code == 404
    assert town.get("/api/geometry/segments/x?day=nonsense").status_code == 404


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=5),
    st.lists(st.integers(0, 99), max_size=20, unique=True),
)
def test_no_fix_outside_duty_is_ever_kept(shifts, times):
    pa = pytest.importorskip("pyarrow")
    duty = pd.DataFrame(
        {"person_id": "p", "device_id": "d", "from_ms": [min(s) for s in shifts], "to_ms": [max(s) for s in shifts]}
    )
    zero = [0.0] * len(times)
    table = pa.table(
        {"device_id": ["d"] * len(times), "t_ms": sorted(times), "arrived_ms": sorted(times), "lon": zero, "lat": zero}
    )
    kept = set(on_duty(table, duty)["t_ms"])
    assert kept == {t for t in times if any(min(s) <= t < max(s) for s in shifts)}
