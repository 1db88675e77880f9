from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.contracts import TABLES
from layers.symbology import LAYERS, NO_VALUE, layers_of, word


@pytest.mark.parametrize("layer", LAYERS.values(), ids=list(LAYERS))
def test_every_layer_shows_a_column_that_exists_and_has_words_and_colours(layer) -> None:
    TABLES[layer.table].column(layer.column)
    TABLES[layer.table].column(layer.key)
    assert TABLES[layer.geometry_table].geometry == "geometry"
    colors = [c.color for c in layer.legend_classes()]
    assert all(re.fullmatch(r"#[0-9a-f]{6}", c) for c in colors)
    assert len(set(colors[:-1])) == len(colors) - 1, "two classes of one colour"
    assert all(c.zh and c.en for c in layer.legend_classes())


def test_a_value_on_a_bound_belongs_to_the_upper_class() -> None:
    # Gaps in seconds, classes in hours: 3,599 s < 1 h <= 3,600 s; 8 h is the last class.
    found = LAYERS["segment_gap"].classify(pd.Series([0, 3599, 3600, 8 * 3600, np.nan]))
    assert found.tolist() == ["c0", "c0", "c1", "c4", NO_VALUE]


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.none())))
def test_every_value_falls_into_exactly_one_class_and_the_legend_counts_all(values) -> None:
    for name in ("segment_gap", "section_rate", "ndvi_change"):
        assert LAYERS[name].legend(pd.Series(values, dtype=object))["count"].sum() == len(values)


def test_a_code_without_a_class_is_no_value_not_a_colour_of_another() -> None:
    assert LAYERS["segment_outcome"].classify(["covered", "nonsense", None]).tolist() == ["covered", NO_VALUE, NO_VALUE]


def test_words() -> None:
    assert (word("missed"), word("missed", "en"), word("X-7")) == ("漏巡", "Missed", "X-7")
    assert {x.id for x in layers_of("hotspots")} == {"hotspots", "case_density"}
