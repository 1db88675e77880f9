"""Streets beside a section, read off sketches."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.parallel_streets import BESIDE_M, parallel_shares


def shares(nodes, segments, sections=None):
    """Shares by section, of straight segments between nodes; each is a section of its own unless told otherwise."""
    ends = [nodes[n] for segment in segments for n in segment]
    x, y = np.array(ends, float).reshape(-1, 2).T
    graph = SimpleNamespace(vert_x=x, vert_y=y, vert_ptr=np.arange(len(segments) + 1, dtype=np.int32) * 2)
    owner = np.arange(len(segments), dtype=np.int32) if sections is None else np.array(sections, np.int32)
    return parallel_shares(
        SimpleNamespace(graph=graph, seg_section=owner, sections=range(int(owner.max(initial=-1)) + 1))
    )


def test_a_service_road_beside_half_of_a_main_road():
    """A main road of 200 m, a service road of 100 m 12 m beside its first half: half of one, all of the other, from 15 m on."""
    found = shares([(0, 0), (200, 0), (0, 12), (100, 12)], [(0, 1), (2, 3)])
    assert BESIDE_M == (10.0, 15.0, 20.0, 30.0)
    assert found[0].tolist() == pytest.approx([0.0, 0.5, 0.5, 0.5], abs=0.03)
    assert found[1].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_streets_that_cross_or_go_on_do_not_run_beside():
    found = shares([(0, 0), (100, 0), (200, 0), (100, 100), (100, -100)], [(0, 1), (1, 2), (1, 3), (1, 4)])
    assert found.max() < 0.06  # no more than the first step beyond the common end


def test_paired_carriageways_are_one_section():
    found = shares([(0, 0), (200, 0), (0, 12), (200, 12)], [(0, 1), (3, 2)], sections=[0, 0])
    assert found.tolist() == [[0.0] * 4]


def test_a_network_without_streets_has_none():
    assert shares([], []).shape == (0, 4)


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(0, 60), st.integers(0, 300), st.integers(0, 60)),
        min_size=1,
        max_size=8,
    )
)
def test_shares_are_shares_rise_with_the_distance_and_do_not_depend_on_directions(lines):  # fmt: skip
    lines = [line for line in lines if line[:2] != line[2:]] or [(0, 0, 10, 0)]
    scale = 1.0037  # so that no two streets lie exactly at a limit from each other
    nodes = [p for a, b, c, d in lines for p in ((scale * a, scale * b), (scale * c, scale * d))]
    segments = [(2 * k, 2 * k + 1) for k in range(len(lines))]
    found = shares(nodes, segments)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found, axis=1) >= 0).all()
    turned = shares(nodes, [(v, u) for u, v in segments])
    np.testing.assert_allclose(found, turned, atol=1e-6)
