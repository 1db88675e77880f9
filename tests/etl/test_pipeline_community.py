"""Community windows of several days through the pipeline: tracks of every earlier day, of everybody whom a cadence names."""

from __future__ import annotations

import json
from datetime import date

import pandas as pd
import pytest
from shapely.geometry import Point, box, mapping
from small_city import _TO, CITY, X0, Y0, opened, walk, write

from etl.pipeline import audit_days
from layers.city import load_city_file

SUNDAY = date(2026, 3, 22)  # the week of Monday 16 March ends with it
SOURCES = "".join(
    f'[[source]]\nname = "{table}"\ntable = "{table}"\npath = "{table}.{ending}"\n'
    for table, ending in (
        ("persons", "csv"), ("devices", "csv"), ("assignments", "csv"), ("community_grids", "geojson"), ("areas", "geojson"),
    )
)  # fmt: skip


def shaped(shape, **props):
    corners = {"type": "Feature", "properties": props, "geometry": mapping(shape)}
    return {"type": "FeatureCollection", "features": [corners]}


def degrees(x, y):
    return _TO.transform(X0 + x, Y0 + y)


def audited(folder, role, walked):
    """One grid with one key point on street 0, which the only person walks past on some days; audited on the last day of the week."""
    fixes = [
        walk(0, "09:00", "09:30").assign(time=lambda f, d=d: f["time"].str.replace("2026-03-18", d)) for d in walked
    ]
    city = write(folder, positions1=pd.concat(fixes, ignore_index=True))
    sources = SOURCES + 'kind = "key_point"\n'
    text = CITY.replace('[counting]\nunassigned = true\nunassigned_mode = "vehicle"\n', "")
    (folder / "city.toml").write_text(text + sources, encoding="utf-8")
    tables = {
        "persons": {"person_id": "p1", "name": "张三", "role": role, "unit_id": "U"},
        "devices": {"device_id": "D0", "kind": "phone", "mode": "ebike"},
        "assignments": {"device_id": "D0", "person_id": "p1", "valid_from": "2026-01-01", "mode": ""},
    }
    for name, row in tables.items():
        pd.DataFrame([row]).to_csv(folder / f"{name}.csv", index=False)
    grid = box(*degrees(-100, -100), *degrees(1100, 100))
    (folder / "community_grids.geojson").write_text(
        json.dumps(shaped(grid, grid_id="C1", name="一组", community="东村", town_id="T1"))
    )
    market = shaped(Point(degrees(300, 10)), area_id="K1", name="菜市场", kind="key_point")
    (folder / "areas.geojson").write_text(json.dumps(market))
    city = load_city_file(folder / "city.toml")
    store = opened(city)
    (run,) = audit_days(city, store, [SUNDAY])
    windows = store.result(run.run_id, "community_windows")
    store.close()
    return windows.set_index("rule_id").loc["community.full"]


@pytest.mark.parametrize("role", ["grid_leader", "grid_member"])
@pytest.mark.parametrize("day", ["2026-03-16", "2026-03-18", "2026-03-20"])
def test_tracks_of_every_earlier_day_count_of_everybody_whom_the_cadence_names(tmp_path, role, day):
    week = audited(tmp_path, role, [day])
    assert (week["outcome"], week["done"], week["evidence"]) == ("covered", 1, "track")


def test_tracks_of_a_role_that_no_cadence_names_and_of_the_week_before_do_not_count(tmp_path):
    days = ["2026-03-16", "2026-03-18", "2026-03-20"]
    assert audited(tmp_path / "a", "squad_member", days)["done"] == 0
    assert audited(tmp_path / "b", "grid_leader", ["2026-03-13", "2026-03-15"])["done"] == 0
