"""A city small enough to be audited in a moment: five streets of 1 km that never meet, each walked up and down by one device of its own."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pyproj

from etl.load import load_city
from layers.city import load_city_file
from layers.contracts import TABLES
from layers.store import open_store

RESULTS = [t.name for t in TABLES.values() if t.kind == "result"]
DAY = date(2026, 3, 18)  # a working day
STREETS = 5
_TO = pyproj.Transformer.from_crs(4550, 4326, always_xy=True)
X0, Y0 = 584_000.0, 3_262_000.0

CITY = """
[city]
id = "small"
name = "小城"
metric_crs = "EPSG:4550"
[store]
url = "embedded:./store"
[standard]
name = "xiangshan-2019"
[roads.classes]
"主干道" = "main"
[[source]]
name = "道路"
table = "road_edges"
path = "roads.geojson"
[[source]]
name = "轨迹"
table = "positions"
path = "positions*.csv"
[counting]
unassigned = true
unassigned_mode = "vehicle"
"""


def roads():
    """Street i runs east along y = 400 i, cut into two edges of 500 m."""
    features = []
    for i in range(STREETS):
        for j in range(2):
            ends = [_TO.transform(X0 + x, Y0 + 400 * i) for x in (500 * j, 500 * j + 500)]
            props = {
                "edge_id": f"E{i}{j}", "u": f"N{i}{j}", "v": f"N{i}{j + 1}", "source_class": "主干道", "name": f"第{i}路",
                "oneway": 0, "bridge": False, "tunnel": False, "level": 0,
            }  # fmt: skip
            features.append(
                {"type": "Feature", "properties": props, "geometry": {"type": "LineString", "coordinates": ends}}
            )
    return {"type": "FeatureCollection", "features": features}


def walk(street, begin="08:30", end="12:00"):
    """Fixes every 10 s at 5 m/s up and down a street, 3 m beside it."""
    t = pd.date_range(f"{DAY} {begin}", f"{DAY} {end}", freq="10s", tz="Asia/Shanghai")
    along = (5.0 * 10 * np.arange(len(t))) % 2000
    lon, lat = _TO.transform(X0 + np.where(along > 1000, 2000 - along, along), np.full(len(t), Y0 + 400 * street + 3))
    return pd.DataFrame(
        {
            "device_id": f"D{street}",
            "time": t.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "lon": np.round(lon, 7),
            "lat": np.round(lat, 7),
        }
    )


def write(folder, **files):
    """The city's files; each keyword is a CSV of positions."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "city.toml").write_text(CITY, encoding="utf-8")
    (folder / "roads.geojson").write_text(json.dumps(roads(), ensure_ascii=False), encoding="utf-8")
    for name, rows in files.items():
        rows.to_csv(folder / f"{name}.csv", index=False)
    return load_city_file(folder / "city.toml")


def opened(city, only=None, url=None):
    """Its store (or that of a URL), prepared and loaded (with these sources only)."""
    store = open_store(url or city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store, only=only)
    return store
