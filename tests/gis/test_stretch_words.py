"""Words of stretches: what is understood is exactly that many metres of the road; what is not is told, and never widens a duty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.network import build_network, resolve_responsibilities
from gis.network.words import NOT_UNDERSTOOD, StretchWords, UnresolvedError, end_words, stretch_words
from tests.gis.test_network_town import CRS, RULES, metres, road, roster, town

STREETS = frozenset({"人民路", "中山路", "建设路", "和平路"})


def streets():
    """人民路 runs 1,000 m east: 中山路 leaves it at 300 m, 建设路 at 800 m, 和平路 at both its ends (west) and nowhere else."""
    return town(
        road("W", "Z", [(0, 0), (300, 0)], "人民路", "main"),
        road("Z", "J", [(300, 0), (800, 0)], "人民路", "main"),
        road("J", "E", [(800, 0), (1000, 0)], "人民路", "main"),
        road("Z", "Z2", [(300, 0), (300, 400)], "中山路"),
        road("J", "J2", [(800, 0), (800, 400)], "建设路"),
        road("W", "W2", [(0, 0), (0, 400)], "和平路"),
    )


def resolved(edges, *rows):
    """Per row the metres of its section, or the problem where it has none; every row is asked for alone."""
    out = []
    for row in rows:
        words = roster(row if isinstance(row, tuple) else (row, None, None))
        network = build_network(edges, metric_crs=CRS, rule_of_class=RULES, responsibilities=words)
        found = resolve_responsibilities(words, network).iloc[0]
        sections = network.sections[network.sections["declared"]]
        assert len(sections) == int(bool(found["resolved"]))
        out.append(metres(sections["length_mm"])[0] if found["resolved"] else found["problem"])
    return out


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ("人民路", 1000),
        ("人民路（全段）", 1000),
        ("人民路（全线、两侧）", 1000),
        ("人民路(起点至终点)", 1000),
        ("人民路(含辅道)", 1000),
        ("人民路(原胜利路)", 1000),
        ("人民路(中山路以东)", 700),
        ("人民路(中山路以西)", 300),
        ("人民路（中山路口以东）", 700),
        ("人民路中山路以东", 700),
        ("人民路(中山路口至建设路口)", 500),
        ("人民路(中山路路口至与建设路交叉口)", 500),
        ("人民路(人民路与中山路交叉口至建设路与人民路交汇处)", 500),
        ("人民路(中山路（含）至建设路（不含）)", 500),
        ("人民路【中山路—建设路】", 500),
        ("人民路(东起建设路，西至中山路)", 500),
        ("人民路(东至建设路,西至中山路)", 500),
        ("人民路(中山路十字路口-建设路红绿灯)", 500),
        ("人民路自中山路至建设路段", 500),
        ("人民路(与中山路交叉口至西端)", 300),
        ("人民路(建设路至终点)", "有多种可能"),
        ("人民路(和平路交叉口至终点)", 1000),
        ("人民路(和平路至东头)", 1000),
        ("人民路(和平路口以东)", 1000),
        ("胜利路(现名人民路)", 1000),
        (("人民路", "中山路口", "建设路路口"), 500),
        (("人民路", "中山", "建设"), 500),
    ],
)
def test_what_is_understood_is_exactly_that(words, length):
    (found,) = resolved(streets(), words)
    assert found == length or str(found).startswith(str(length))


@pytest.mark.parametrize(
    "words",
    ["人民路(北侧)", "人民路（南侧）", "人民路北侧", "人民路(除学校门口100米)", "人民路(中山路至建设路,学校门口除外)", "人民路(单号)",
     "人民路(1号至99号)", "人民路88号", "人民路(东段)", "人民路东段", "人民路(K0+200-K1+500)", "人民路(中山路以东100米)", "人民路(距中山路200米)",
     "人民路(中山路至建设路)北侧", "人民路(中山路至建设路)(北侧)", "人民路(中山路至建设路,北侧)", "人民路(夜间)", "人民路(8:00-12:00)",
     "人民路(丹东街道)", "人民路(机动车道)", "人民路(中山路)", "人民路(中山路段)", "人民路(不含中山路)", "人民路(仅人行道)", "人民路(东半幅)",
     "人民路(中山路至建设路", "人民路(东至建设路,西至中山路,南至河)", "人民路(部分)", "人民路(学校门口)", "人民路(中山路以东)(建设路以西)",
     ("人民路(北侧)", "中山路", "建设路"), ("人民路", "中山路", "120号"), ("人民路", "中山路以东50米", "建设路")],
)  # fmt: skip
def test_what_is_not_understood_leaves_the_row_unresolved_and_says_which_words(words):
    (problem,) = resolved(streets(), words)
    assert isinstance(problem, str)
    assert problem.startswith("写法无法理解"), problem


@pytest.mark.parametrize(
    "words",
    [
        "人民街",
        "人民大道",
        "人民中路",
        "人民路一号桥",
        "人民路/中山路",
        "人民路(中山路至建设大道)",
        "人民路(河边至建设路)",
    ],
)
def test_a_road_of_another_kind_or_name_is_not_this_road(words):
    """建设大道 is not 建设路, and 人民中路 is at most a part of 人民路."""
    (problem,) = resolved(streets(), words)
    assert str(problem).startswith(("路网中没有这条道路", "起止道路不在路网中")), problem


def test_names_that_the_network_itself_writes_with_parts():
    """The network has 人民路(东段) and 人民路(西段), and one road of two names."""
    edges = town(
        road("a", "b", [(0, 0), (300, 0)], "人民路(西段)", "main"),
        road("b", "c", [(300, 0), (1000, 0)], "人民路（东段）", "main"),
        road("b", "d", [(300, 0), (300, 200)], "滨河路;环湖路"),
        road("c", "e", [(1000, 0), (1000, 200)], "北门东段"),
    )
    assert resolved(edges, "人民路(东段)", "人民路（西段）", "人民路", "环湖路", "滨河路", "北门东段") == [
        700,
        300,
        1000,
        200,
        200,
        200,
    ]
    assert str(resolved(edges, "人民路(中段)")[0]).startswith("写法无法理解")


def test_an_end_by_compass_needs_a_road_that_runs_that_way():
    """中山路 runs north: 400 m from 人民路; it has a north end, and no east end."""
    found = resolved(
        streets(), "中山路(人民路至北端)", "中山路(人民路以北)", "中山路(人民路以东)", "中山路(人民路至东端)"
    )
    assert found[:2] == [400, 400]
    assert all(str(f).startswith("有多种可能") for f in found[2:])


def ring(*, parts, inner=False):
    """环城路: a circle of radius 200 m (1,256 m around) in so many parts; 进城路 meets it in the east, 北街 in the north, 西街 in the west."""
    rows = []
    for radius, tag in ((200, "r"), (190, "q"))[: 1 + inner]:
        for i in range(parts):
            angle = np.linspace(2 * np.pi * i / parts, 2 * np.pi * (i + 1) / parts, 1 + 64 // parts)
            points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
            rows.append(road(f"{tag}{i}", f"{tag}{(i + 1) % parts}", points, "环城路", "main"))
    streets = [("进城路", 0, (1, 0)), ("北街", parts // 4, (0, 1)), ("西街", parts // 2, (-1, 0))]
    for name, node, (x, y) in streets[: 3 if parts >= 4 else 1]:
        rows.append(road(f"r{node}", f"x{name}", [(200 * x, 200 * y), (300 * x, 300 * y)], name))
    return town(*rows)


@pytest.mark.parametrize("parts", [1, 2, 4, 8])
def test_a_ring_is_resolved_whole_whatever_its_edges(parts):
    (length,) = resolved(ring(parts=parts), "环城路")
    assert length == pytest.approx(2 * np.pi * 200, rel=0.01)


def test_two_carriageways_of_a_ring_are_one_ring():
    """The inner ring (190 m) is the measure; the outer one lies beside it."""
    edges = ring(parts=4, inner=True)
    words = roster(("环城路", None, None))
    network = build_network(edges, metric_crs=CRS, rule_of_class=RULES, responsibilities=words)
    assert resolve_responsibilities(words, network)["resolved"].tolist() == [True]
    (section,) = network.sections.loc[network.sections["declared"], "section_id"]
    assert (network.segments.loc[network.segments["road_name"] == "环城路", "section_id"] == section).all()


def test_part_of_a_ring_is_ambiguous_unless_its_way_is_written():
    """From 进城路 (east) to 西街 (west) it is half the ring on either side; by 北街 it is the northern half, 628 m."""
    edges = ring(parts=4)
    found = resolved(
        edges, "环城路(进城路至西街)", "环城路(进城路至西街,经北街)", "环城路(进城路经北街至西街)", "环城路(进城路以东)", "环城路(进城路至终点)",
        "环城路(北侧)", "环城路(进城路至东端)",
    )  # fmt: skip
    assert found[1] == found[2] == pytest.approx(np.pi * 200, rel=0.01)
    assert all(str(found[i]).startswith("有多种可能") for i in (0, 3, 4, 6))
    assert str(found[5]).startswith("写法无法理解")


def test_corners_are_read_with_what_the_network_has():
    """西门口 is a street of its own here; 和平路 begins with 和."""
    known = {"西门口", "和平路", "中山路"}.__contains__
    assert end_words("西门口", "人民路", known) == "西门口"
    assert end_words("人民路和和平路口", "人民路", known) == "和平路"
    assert end_words("与和平路十字路口", "人民路", known) == "和平路"
    assert end_words("中山路×人民路", "人民路", known) == "中山路"
    assert end_words("最东端", "人民路", known) == end_words("东头", "人民路", known) == "东端"
    assert end_words("终点", "人民路", known) == ""


LIMITS = (
    "北侧",
    "单号",
    "除桥头",
    "东段",
    "K1+200",
    "50米内",
    "门口",
    "夜间",
    "半幅",
    "1-99号",
    "仅机动车道",
    "南城街道",
)
RANGES = ("中山路至建设路", "中山路口-建设路口", "东起建设路,西至中山路", "中山路以东", "全段", "")
BRACKETS = st.sampled_from(["()", "（）", "【】", "〔〕"])
SEPARATORS = st.sampled_from([",", "，", "、", ";", "；"])


@given(st.sampled_from(LIMITS), st.sampled_from(RANGES), BRACKETS, SEPARATORS, st.booleans())
def test_a_word_that_limits_is_never_dropped(limit, extent, brackets, separator, first):
    """A limiting word beside any understood text makes the whole not understood; 东段 with both ends is said by these."""
    parts = [p for p in ([limit, extent] if first else [extent, limit]) if p]
    text = f"人民路{brackets[0]}{separator.join(parts)}{brackets[1]}"
    if limit == "东段" and extent not in {"", "全段"}:
        assert stretch_words(text).start
        return
    with pytest.raises(UnresolvedError) as told:
        stretch_words(text)
    assert told.value.code == NOT_UNDERSTOOD


@given(st.text("中山建设路街口以东西南北侧段至到与和除含号米0123K+-~,、起点终全线两单半内外(（）)", max_size=12))
@settings(max_examples=600)
def test_only_words_that_mean_all_of_it_give_the_whole_road(inner):
    """Whatever stands in brackets: the whole road comes out only of words that add to it or say all of it, by an own list here."""
    try:
        said = stretch_words(f"人民路({inner})")
    except UnresolvedError:
        return
    if said == StretchWords("人民路"):
        phrases = [
            p for p in inner.replace("（", "(").replace("）", ")").strip("()").replace("、", ",").split(",") if p
        ]
        assert all(p.startswith("含") or set(p) <= set("全段线两侧") or p in {"(", ")", "()"} for p in phrases), inner


@given(
    st.sampled_from(sorted(STREETS)),
    st.sampled_from(["", "口", "路口", "交叉口", "与", "以东"]),
    st.sampled_from(sorted(STREETS)),
)
def test_an_end_is_a_street_that_was_named(street, corner, own):
    text = f"与{street}交叉口" if corner == "与" else street + corner
    found = end_words(text, own, STREETS.__contains__)
    assert found == street
