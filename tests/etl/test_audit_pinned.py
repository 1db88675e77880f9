"""A run's id tells its figures: positions and tables that come while it is computed, or of the days before it; and parts that fail."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from shapely.geometry import Polygon
from small_city import CITY, DAY, RESULTS, opened, walk, write
from test_pipeline_community import SUNDAY, audited, degrees, shaped

from etl.load import load_city
from etl.pipeline import audit_days
from gis.errors import StoreError
from layers.city import load_city_file
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import SourceRecord

NOTHING = pd.DataFrame(columns=["row", "column", "code", "zh", "en", "raw"])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The run of all positions, audited at rest: what every other order has to give."""
    city = write(
        tmp_path_factory.mktemp("both"), positions1=walk(0, "08:30", "10:00"), positions2=walk(1, "08:30", "10:00")
    )
    store = opened(city)
    (run,) = audit_days(city, store, [DAY])
    yield run, {t: store.result(run.run_id, t) for t in RESULTS}
    store.close()


@pytest.mark.parametrize("at", [0, 2, 4])
def test_positions_that_come_while_a_day_is_audited_are_in_its_figures_and_its_id_alike(tmp_path, both, at):
    city = write(tmp_path, positions1=walk(0, "08:30", "10:00"))
    store = opened(city)
    seen = []

    def told(stage, done, _total):
        if stage.startswith("匹配"):
            seen.append(done)
            if len(seen) == at + 1:
                walk(1, "08:30", "10:00").to_csv(tmp_path / "positions2.csv", index=False)
                load_city(city, store, only=["positions"])

    (run,) = audit_days(city, store, [DAY], shards=5, progress=told)
    expected, tables = both
    assert len(seen) > at
    assert run.run_id == expected.run_id
    for t in RESULTS:
        pd.testing.assert_frame_equal(store.result(run.run_id, t), tables[t], check_exact=True)
    store.close()


def test_a_day_that_never_rests_is_not_published(tmp_path):
    city = write(tmp_path, positions1=walk(0, "08:30", "08:40"))
    store = opened(city)
    more = iter(range(100))

    def told(stage, done, _total):
        if stage.startswith("匹配") and done == 1:
            k = next(more)
            walk(1, f"09:{k:02}", f"09:{k + 1:02}").to_csv(tmp_path / "positions2.csv", index=False)
            load_city(city, store, only=["positions"])

    with pytest.raises(StoreError) as failed:
        audit_days(city, store, [DAY], progress=told)
    assert failed.value.faults[0].code == "audit.changing"
    assert store.current_run(DAY) is None
    store.close()


def test_a_corrected_table_of_an_earlier_day_is_another_run(tmp_path):
    audited(tmp_path, "grid_member", ["2026-03-18"])
    city = load_city_file(tmp_path / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    first = store.current_run(SUNDAY)
    columns = [c.name for c in TABLES["assignments"].columns]
    for since, device in (
        ("2026-03-17", "D9"),
        ("2026-03-22", "D0"),
    ):  # in force on the days before only, and again as it was
        row = {"device_id": device, "person_id": "p1", "valid_from": pd.Timestamp("2026-01-01", tz="UTC"), "mode": None}
        frame = pd.DataFrame([row]).reindex(columns=columns)
        record = SourceRecord("assignments", "assignments", f"a-{since}.csv", since.ljust(64, "0"), 1)
        store.load(frame, record, NOTHING, valid_from=pd.Timestamp(since).date())
    today = {t: e for t, e in first.editions.items() if t != "assignments"}
    (second,) = audit_days(city, store, [SUNDAY])
    assert {t: e for t, e in second.editions.items() if t != "assignments"} == today
    assert second.run_id != first.run_id
    windows = store.result(second.run_id, "community_windows").set_index("rule_id")
    assert (
        windows.loc["community.full"]["outcome"]
        != store.result(first.run_id, "community_windows").set_index("rule_id").loc["community.full"]["outcome"]
    )
    store.close()


def grids_city(folder, *shapes):
    """The small city with work grids of these shapes."""
    write(folder, positions1=walk(0, "08:30", "10:00"))
    features = [shaped(s, grid_id=f"G{i}", name=f"{i}", level="central")["features"][0] for i, s in enumerate(shapes)]
    (folder / "work_grids.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "city.toml").write_text(
        CITY + '[[source]]\nname = "网格"\ntable = "work_grids"\npath = "work_grids.geojson"\n', encoding="utf-8"
    )
    return load_city_file(folder / "city.toml")


@pytest.mark.parametrize("vertex", [(0.0, 0.0), (110.0, 29.0), (121.0, 60.0), (-121.0, 29.0)])
def test_one_wrong_vertex_stops_no_audit(tmp_path, vertex):
    """Whether the load sets such a grid aside or not, the roads are audited, and nobody asks for gigabytes."""
    corners = [degrees(-100, -100), degrees(1100, -100), degrees(1100, 100)]
    city = grids_city(tmp_path, Polygon([*corners, degrees(-100, 100)]), Polygon([*corners, vertex]))
    store = opened(city)
    (run,) = audit_days(city, store, [DAY])
    assert len(store.result(run.run_id, "section_windows"))
    store.close()


def test_grids_without_an_inside_stop_no_audit(tmp_path):
    a, b = degrees(0, 0), degrees(500, 0)
    city = grids_city(tmp_path, Polygon([a, b, a]), Polygon([b, a, b]))
    store = opened(city)
    (run,) = audit_days(city, store, [DAY])
    assert len(store.result(run.run_id, "section_windows"))
    store.close()


def test_a_part_that_fails_is_a_finding(tmp_path, monkeypatch):
    city = grids_city(
        tmp_path, Polygon([degrees(-100, -100), degrees(1100, -100), degrees(1100, 100), degrees(-100, 100)])
    )
    store = opened(city)

    def broken(*_, **__):
        message = "Incompatible extents"
        raise RuntimeError(message)

    monkeypatch.setattr("etl.pipeline.density_surface", broken)
    (run,) = audit_days(city, store, [DAY])
    found = store.result(run.run_id, "findings").set_index("code").loc["surface.failed"]
    assert found["zh"] == "人员密度面没有算出：RuntimeError: Incompatible extents"
    assert len(store.result(run.run_id, "section_windows"))
    store.close()
