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
    out = resolve_exceptions(given, network)
    assert out[given.columns].equals(given)
    assert out[["from_mm", "to_mm"]].isna().to_numpy().all()
    assert out["problem"].isna().tolist() == [True] * 4 + [False] * 2
    assert out["problem"].str.startswith("路网中没有这条道路").tolist()[4:] == [True, True]


def metres(out):
    return (out["to_mm"] - out["from_mm"]).round(-3).tolist()


def test_a_stretch_is_its_metres_on_whatever_sections_it_lies(network):
    # 象山港路 is declared from 西环路 to 丹河路. A part of that, the other part, and one across its end.
    (declared,) = network.sections.index[network.sections["declared"]]
    whole = int(network.sections["length_mm"].iloc[declared])
    words = ["象山港路(西环路至建设路)", "象山港路(建设路至丹河路)", "象山港路(建设路至海丰大道)"]
    out = resolve_exceptions(exceptions(*(("section", w) for w in words)), network)
    one, two, three = (out[out["exception_id"] == f"E{i}"] for i in range(3))
    section = network.sections["section_id"].iloc[declared]
    for part in (one, two):
        assert part["target_id"].tolist() == [section]
    assert min(*one["from_mm"], *two["from_mm"]) == 0
    assert abs(metres(one)[0] + metres(two)[0] - whole) <= 2000
    assert 0.1 * whole < metres(one)[0] < 0.9 * whole
    assert len(three) > 1  # the rest of the declared section, and sections beyond it
    assert set(three["target_kind"]) == {"section"}
    inside = three[three["target_id"] == section]
    assert inside[["from_mm", "to_mm"]].to_numpy().tolist() == two[["from_mm", "to_mm"]].to_numpy().tolist()


def test_a_stretch_written_as_a_road_closes_no_more_than_the_stretch(network):
    as_road, as_section = (
        resolve_exceptions(exceptions((kind, "象山港路(西环路至建设路)")), network) for kind in ("road", "section")
    )
    assert as_road.equals(as_section)
    assert as_road["from_mm"].notna().all()
