"""A divided road of which one carriageway is walked: covered under `either`, half missed under `each`."""

from __future__ import annotations

import json

import pytest
from small_city import _TO, DAY, X0, Y0, opened, walk, write

from etl.pipeline import audit_days
from gis.errors import SettingsError
from layers.city import Standard as Named
from layers.city import load_city_file


def divided():
    """One street of 1 km in two one-way carriageways 20 m apart, driving on the right."""
    features = []
    for key, y, ends in (("E", 0, (0, 1000)), ("W", 20, (1000, 0))):
        line = [_TO.transform(X0 + x, Y0 + y) for x in ends]
        props = {"edge_id": key, "u": f"{key}0", "v": f"{key}1", "source_class": "主干道", "name": "双幅路", "oneway": 1,
                 "bridge": False, "tunnel": False, "level": 0}  # fmt: skip
        features.append(
            {"type": "Feature", "properties": props, "geometry": {"type": "LineString", "coordinates": line}}
        )
    return {"type": "FeatureCollection", "features": features}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The windows of the day under both readings, in one store: eastbound is driven all morning, westbound never."""
    folder = tmp_path_factory.mktemp("divided")
    fixes = walk(0)
    east = fixes[fixes["lon"].diff().fillna(1) > 0]  # what comes back stands for the way round by other streets
    city = write(folder, positions=east)
    (folder / "roads.geojson").write_text(json.dumps(divided(), ensure_ascii=False), encoding="utf-8")
    store = opened(city)
    found = {}
    for value in ("either", "each", "either"):
        (folder / "own.toml").write_text(
            f'extends = "xiangshan-2019"\n[measure.carriageways]\nvalue = "{value}"\n', encoding="utf-8"
        )
        own = city.model_copy(update={"standard": Named(path="own.toml")})
        (run,) = audit_days(own, store, [DAY])
        windows = store.result(run.run_id, "section_windows")
        found[value] = (run, windows, store.read("sections", run.editions["sections"]))
    yield found
    store.close()


def test_either_asks_for_the_road_once_and_each_for_both_sides(runs):
    _, _, either = runs["either"]
    _, _, each = runs["each"]
    assert [round(mm / 1e6, 2) for mm in either["length_mm"]] == [1.0]
    assert [round(mm / 1e6, 2) for mm in each["length_mm"]] == [1.0, 1.0]


def test_what_is_driven_on_one_side_covers_the_road_or_that_side_alone(runs):
    morning = {k: w[w["ends"].dt.tz_convert("Asia/Shanghai").dt.hour < 12] for k, (_, w, _) in runs.items()}
    assert (morning["either"]["covered_share"] > 0.9).all()
    shares = morning["each"].groupby("section_id")["covered_share"].agg(["min", "max"]).sort_values("max")
    assert shares["max"].iloc[0] == 0.0
    assert shares["min"].iloc[1] > 0.9


def test_each_reading_has_a_network_and_a_run_of_its_own(runs):
    either, each = runs["either"][0], runs["each"][0]
    assert either.run_id != each.run_id
    assert either.editions["sections"] != each.editions["sections"]


def test_the_former_switch_of_the_city_file_is_refused_with_what_to_write_instead(tmp_path):
    city = write(tmp_path)
    text = (tmp_path / "city.toml").read_text(encoding="utf-8")
    (tmp_path / "city.toml").write_text(f"{text}\n[network]\neach_side = true\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_city_file(city.path)
    (fault,) = caught.value.faults
    assert (fault.code, fault.column, fault.row) == ("city.moved", "network.each_side", len(text.splitlines()) + 3)
    assert '[measure.carriageways] value = "each"' in fault.fix_zh
    assert '[measure.carriageways] value = "each"' in fault.fix_en
