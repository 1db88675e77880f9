from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.contracts import TABLES
from layers.symbology import LAYERS, NO_VALUE, OUTCOMES, layers_of, word


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


# How linear red, green and blue are seen by the three kinds of dichromats (Machado, Oliveira and Fernandes 2009, severity 1).
SIGHT = {
    "all cones": np.eye(3),
    "no red": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "no blue": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(color: str, sight: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as somebody sees it."""
    srgb = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(sight @ linear, 0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_outcomes_are_told_apart_by_all_kinds_of_eyes(sight) -> None:
    seen = {c.key: lab(c.color, SIGHT[sight]) for c in OUTCOMES if c.key != "open"}  # pale on purpose, like no rule
    near = {(a, b): round(float(np.linalg.norm(seen[a] - seen[b]))) for a, b in combinations(seen, 2)}
    assert {pair: d for pair, d in near.items() if d < 15} == {}
    assert seen["partly"][0] - seen["missed"][0] > 20  # in lightness too: both are thin lines side by side


def test_black_and_white_are_as_far_apart_as_lightness_goes() -> None:
    assert lab("#ffffff", SIGHT["all cones"]) == pytest.approx([100, 0, 0], abs=0.1)
    assert lab("#000000", SIGHT["all cones"]) == pytest.approx([0, 0, 0], abs=0.1)
