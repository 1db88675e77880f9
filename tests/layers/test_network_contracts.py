"""The network's tables keep their contracts: column names, order, kinds of values, nothing missing where nothing may."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from gis.network import build_network, network_to_tables
from layers.contracts import TABLES

KINDS = {
    "str": pd.api.types.is_string_dtype,
    "int": pd.api.types.is_integer_dtype,
    "float": pd.api.types.is_float_dtype,
    "bool": pd.api.types.is_bool_dtype,
}


def edges():
    line = shapely.LineString([(121.87, 29.47), (121.872, 29.47)])
    row = {
        "edge_id": "1",
        "u": "a",
        "v": "b",
        "source_class": None,
        "policy_class": "main",
        "name": "东街",
        "oneway": 0,
    }
    flags = {"bridge": False, "tunnel": False, "level": 0}
    return gpd.GeoDataFrame([row | flags], geometry=[line], crs="EPSG:4326")


@pytest.mark.parametrize("table", ["segments", "sections"])
def test_columns_and_values(table):
    network = build_network(edges(), metric_crs="EPSG:4550", rule_of_class={"main": "road.main"})
    frame = dict(zip(("segments", "sections"), network_to_tables(network), strict=True))[table]
    contract = TABLES[table]
    assert list(frame.columns) == [c.name for c in contract.columns]
    for c in contract.columns:
        if c.dtype == "line":
            assert frame.crs.to_epsg() == 4326
            assert set(frame.geom_type) == {"LineString"}
        else:
            assert KINDS[c.dtype](frame[c.name].dtype), c.name
        assert c.null or frame[c.name].notna().all(), c.name
    assert frame[list(contract.key)].duplicated().sum() == 0
