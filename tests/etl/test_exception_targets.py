"""Exceptions in words get the ids of the network."""

import numpy as np
import pandas as pd
import pytest

from etl.exception_targets import resolve_exceptions
from etl.sample.county import build_county
from gis.network import build_network
from layers.standard_files import load_standard

CLASSES = {"主干道": "main", "次干道": "secondary", "支路": "branch", "村内道路": "branch", "城郊道路": "branch"}


@pytest.fixture(scope="module")
def network():
    county = build_county(rng=np.random.default_rng([2019, 0]))
    roads = county.tables["road_edges"].to_crs(4326)
    roads["policy_class"] = roads["source_class"].map(CLASSES)
    roads[["bridge", "tunnel"]] = roads[["bridge", "tunnel"]].astype(bool)
    named = pd.DataFrame(
        {"responsibility_id": ["r1"], "person_id": ["p1"], "duty_kind": ["responsible"], "target_kind": ["section"], "target_id": [None],
         "road_name": ["象山港路"], "from_name": ["西环路"], "to_name": ["丹河路"], "source_text": ["象山港路(西环路至丹河路):张三"],
         "resolved": [False], "problem": [None]}
    )  # fmt: skip
    return build_network(
        roads,
        metric_crs=county.graph.crs,
        rule_of_class=load_standard("xiangshan-2019").rule_of_class(),
        responsibilities=named,
    )


def exceptions(*targets):
    return pd.DataFrame(
        {
            "exception_id": [f"E{i}" for i in range(len(targets))],
            "target_kind": [k for k, _ in targets],
            "target_id": [t for _, t in targets],
        }
    )


def test_a_section_in_words_is_found_whichever_end_comes_first(network):
    out = resolve_exceptions(
        exceptions(("section", "象山港路(西环路至丹河路)"), ("section", "象山港路(丹河路-西环路)")), network
    )
    (section,) = network.sections.loc[network.sections["declared"], "section_id"]
    assert out["target_id"].tolist() == [section, section]
    assert out["target_kind"].tolist() == ["section", "section"]


def test_a_road_by_its_name_is_every_section_of_it(network):
    out = resolve_exceptions(exceptions(("road", "象山港路"), ("section", "月湖路")), network)
    for name, road_id in zip(("象山港路", "月湖路"), out["target_id"], strict=True):
        assert set(network.sections.loc[network.sections["road_id"] == road_id, "road_name"]) == {name}
    assert out["target_kind"].tolist() == ["road", "road"]  # a whole road written as a section


def test_ids_persons_and_what_cannot_be_found_stay_as_written(network):
    section = str(network.sections["section_id"].iloc[0])
    road = str(network.sections["road_id"].iloc[0])
    given = exceptions(
        ("section", section),
        ("road", road),
        ("person", "p1"),
        ("all", None),
        ("section", "没有的路(甲路至乙路)"),
        ("road", "没有的路"),
    )
    assert resolve_exceptions(given, network).equals(given)
