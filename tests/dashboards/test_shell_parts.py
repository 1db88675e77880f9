"""Parts of the shell without a browser: geometry payload, streams, words, settings, policy, cache, pages, city's base map."""

from __future__ import annotations

import dataclasses
import json
import re
import struct
import threading
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from town import CITY, DAY

from dashboards.app import create_desk
from dashboards.auth.principal import ROLES, Principal, Scope
from dashboards.cache import Cache
from dashboards.geometry import encode, varints, zigzag
from dashboards.i18n import Words, load_words
from dashboards.maps import by_id, difference, full_codes, symbology_codes, symbology_style
from dashboards.pages import Page, all_pages
from dashboards.security import content_policy
from dashboards.server import settings_from_json, settings_to_json
from dashboards.settings import BaseMap, DemoAccount, DeskSettings, OidcSettings
from dashboards.shell import show_page
from dashboards.streams import Frame, Moment
from gis.errors import SettingsError
from layers.symbology import LAYERS, outcome_color


# --- geometry ---
def read_varints(data: bytes) -> list[int]:
    out, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            out.append(value)
            value = shift = 0
    return out


def decode(payload: bytes):
    """Header, rings a feature and rings of coordinates: what payload.ts does, written again."""
    assert payload[:4] == b"XQ1\0"
    (length,) = struct.unpack("<I", payload[4:8])
    header = json.loads(payload[8 : 8 + length])
    numbers = read_varints(payload[8 + length :])
    n, rings, vertices = header["n"], header["rings"], header["vertices"]
    parts, counts, rest = numbers[:n], numbers[n : n + rings], numbers[n + rings :]
    signed = [z // 2 if z % 2 == 0 else -(z + 1) // 2 for z in rest]
    xs, ys = (np.cumsum(signed[k * vertices : (k + 1) * vertices]) * header["scale"] for k in (0, 1))
    ends = np.cumsum(counts)
    return header, parts, [np.c_[xs, ys][e - c : e] for c, e in zip(counts, ends, strict=True)]


@given(st.lists(st.integers(0, 2**40), max_size=50))
def test_varints_read_back(values):
    assert read_varints(varints(np.array(values, dtype=np.uint64))) == values


def test_zigzag_of_the_first_numbers():
    assert zigzag(np.array([0, -1, 1, -2, 2])).tolist() == [0, 1, 2, 3, 4]


coordinate = st.tuples(st.floats(-179, 179), st.floats(-85, 85))


@given(st.lists(st.lists(coordinate, min_size=2, max_size=6), min_size=1, max_size=8))
def test_lines_come_back_to_a_tenth_of_a_metre_and_keep_their_order(lines):
    shapes = [shapely.LineString(c) for c in lines]
    header, parts, rings = decode(encode(shapes, [f"l{k}" for k in range(len(shapes))]))
    assert header["ids"] == [f"l{k}" for k in range(len(shapes))]
    assert parts == [1] * len(shapes)
    for ring, line in zip(rings, lines, strict=True):
        assert np.abs(ring - np.array(line)).max() <= 0.51e-6


def test_holes_follow_their_outer_ring_and_empty_features_keep_their_place():
    square = shapely.box(0, 0, 4, 4).difference(shapely.box(1, 1, 2, 2))
    header, parts, rings = decode(
        encode([square, None, shapely.box(5, 0, 6, 1)], ["a", "b", "c"], titles=["甲", None, "丙"])
    )
    assert parts == [2, 0, 1]
    turn = [shapely.LinearRing(r).is_ccw for r in rings]
    assert turn == [True, False, True]
    assert header["titles"] == ["甲", "", "丙"]
    assert header["bounds"] == [0, 0, 6, 4]


def test_nothing_at_all_is_a_payload_too():
    header, parts, rings = decode(encode([], []))
    assert (header["n"], header["bounds"], parts, rings) == (0, None, [], [])


# --- state ---
def test_codes_of_a_catalogue_layer_fit_its_style():
    outcome = next(v for v in LAYERS.values() if v.kind == "category" and any(c.key == "missed" for c in v.classes))
    style = symbology_style(outcome, "zh")
    codes = symbology_codes(outcome, ["missed", None, "covered", "no such class"])
    labels = {c["code"]: c["label"] for c in style["classes"]}
    assert [labels.get(c) for c in codes.tolist()] == ["漏巡", None, "已巡", None]
    assert full_codes("x", codes)["full"]["dtype"] == "u8"


def test_a_difference_names_only_what_changed():
    before, after = np.array([1.0, 2.0, np.nan, np.nan]), np.array([1.0, 3.0, np.nan, 0.5])
    assert difference("x", before, after) == {"layer": "x", "i": [1, 3], "v": [3, 0.5]}
    assert difference("x", after, after) is None
    assert difference("x", after, before) == {"layer": "x", "i": [1, 3], "v": [2, None]}
    assert by_id("x", ["a"], [None]) == {"layer": "x", "ids": ["a"], "v": [None]}


def test_a_connection_is_told_everything_once_and_then_changes():
    values = np.zeros(10_000)
    begun = Moment(Frame(values={("m", "roads"): values}, props={"list": {"children": ["a"]}}, data={"now": 1}))
    first = json.loads(begun.told(None))
    assert set(first) == {"maps", "props", "data"}
    assert "full" in first["maps"]["m"][0]
    same = Moment(Frame(values={("m", "roads"): values.copy()}, props={"list": {"children": ["a"]}}, data={"now": 1}))
    assert same.told(begun) == ""
    changed = values.copy()
    changed[:200] = 1
    after = Moment(Frame(values={("m", "roads"): changed}, props={"list": {"children": ["b"]}}, data={"now": 1}))
    second = json.loads(after.told(same))
    assert len(second["maps"]["m"][0]["i"]) == 200
    assert second["props"] == {"list": {"children": ["b"]}}
    assert len(json.dumps(second)) < 50_000  # what a second may cost on the wire


def test_what_those_who_know_the_same_are_told_is_worked_out_once():
    begun, after = Moment(Frame(data={"now": 1})), Moment(Frame(data={"now": 2}))
    assert json.loads(after.told(begun)) == {"data": {"now": 2}}
    assert after.told(begun) is after.told(begun)
    assert after.told(after) == ""
    assert json.loads(after.told(None)) == {"data": {"now": 2}}


@pytest.fixture(scope="module")
def desk(town_store):
    return create_desk(town_store, CITY, DeskSettings(stream_interval_s=60))


def test_a_moment_is_computed_once_for_all_of_one_scope_and_never_across_scopes(desk):
    calls = []

    def produce(view, params):
        calls.append((str(view.principal.scope), params["x"]))
        return Frame(data=len(calls))

    desk.streams.register("counted", produce)
    county, town = (desk.view_of(Principal("a", "command", Scope.parse(s)), "zh") for s in ("county", "town:A"))
    other = desk.view_of(Principal("b", "command", Scope.parse("county")), "zh")
    assert desk.streams.moment(county, "counted", {"x": "1"}) is desk.streams.moment(other, "counted", {"x": "1"})
    desk.streams.moment(town, "counted", {"x": "1"})
    desk.streams.moment(county, "counted", {"x": "2"})
    assert calls == [("county", "1"), ("town:A", "1"), ("county", "2")]


# --- words, settings, policy ---
def test_every_phrase_has_both_languages_and_no_phrase_is_empty():
    words = load_words(files("dashboards") / "i18n")
    assert words.get("en", "shell.sign_out") == "Sign out"
    with pytest.raises(SettingsError) as caught:
        Words({"a.b": {"zh": "甲"}, "a.c": {"en": "c"}})
    assert len(caught.value.faults) == 2


def test_every_setting_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "dashboards.md").read_text("utf-8")
    names = [f.name for kind in (DeskSettings, BaseMap, OidcSettings) for f in dataclasses.fields(kind)]
    assert [n for n in names if f"`{n}`" not in text and f"`kind` {n}" not in text] == []


def test_settings_survive_the_way_to_the_workers():
    settings = DeskSettings(
        oidc=OidcSettings("http://i", "c", "s"), base_map=BaseMap("raster", "https://t/{z}"), demo_accounts=(DemoAccount("a", "b", "planner", "county"),),
        static_dir=Path("/x"), options={"command": {"now": "x"}},
    )  # fmt: skip
    assert settings_from_json(json.loads(json.dumps(settings_to_json(settings)))) == settings
    assert settings.secret not in repr(settings)


def test_only_a_configured_base_map_opens_the_policy():
    plain = content_policy(DeskSettings(), ["'sha256-x'"])
    tiles = content_policy(DeskSettings(base_map=BaseMap("raster", "https://tiles.example/{z}/{x}/{y}.png")), [])
    assert "example" not in plain
    assert "img-src 'self' data: blob: https://tiles.example;" in tiles
    assert "connect-src 'self' https://tiles.example;" in tiles


# --- cache, pages ---
def test_the_cache_makes_a_value_once_for_many_threads_and_keeps_its_bound():
    cache, made = Cache(100), []

    def make():
        made.append(1)
        return "v"

    threads = [threading.Thread(target=lambda: cache.get("k", make, lambda _: 10)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert made == [1]
    for k in range(20):
        cache.get(k, lambda: "x", lambda _: 10)
    assert cache.get("k", make, lambda _: 10) == "v"
    assert made == [1, 1]  # the oldest had to go


def test_a_failed_make_is_tried_again():
    cache = Cache(100)
    with pytest.raises(ZeroDivisionError):
        cache.get("k", lambda: 1 / 0, lambda _: 1)
    assert cache.get("k", lambda: 5, lambda _: 1) == 5


def test_pages_are_found_and_their_paths_do_not_collide():
    pages = all_pages()
    assert len({p.path for p in pages}) == len(pages)
    assert all(set(p.roles) <= set(ROLES) for p in pages)
    words = load_words(files("dashboards") / "i18n")
    assert all(words.get("zh", p.title) for p in pages)


def test_a_page_of_another_role_is_not_shown(desk):
    secret = Page(path="/x", title="home.title", layout=lambda _v: pytest.fail("shown"), roles=("administrator",))
    view = desk.view_of(Principal("a", "planner", Scope.parse("county")), "zh")
    assert "您的角色不能打开此页" in str(show_page(view, [secret], "/x"))
    assert "没有这个页面" in str(show_page(view, [secret], "/y"))


def test_page_paths():
    page = Page(path="/explain/*", title="t", layout=lambda _v: None)
    assert [page.takes(p) for p in ("/explain", "/explain/a/b", "/explainer", "/")] == [True, True, False, False]


def test_the_day_comes_from_the_address_where_it_was_audited(desk):
    principal = Principal("a", "planner", Scope.parse("county"))
    assert desk.view_of(principal, "zh", {"day": "2026-03-18"}).day() == DAY
    assert desk.view_of(principal, "zh", {"day": "1999-01-01"}).day() == DAY
    assert desk.view_of(principal, "zh").local(0).isoformat() == "1970-01-01T08:00:00+08:00"


# --- looks ---
def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXTS = [
    (text, ground)
    for text in ("text", "text-2", "text-3", "accent", "good", "bad", "warn")
    for ground in ("card", "ground")
]
TEXTS += [
    ("on-accent", "accent"),
    ("bar-text", "bar"),
    ("bar-text-2", "bar"),
    ("text-2", "sunk"),
    ("text", "accent-soft"),
    ("text", "bad-soft"),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_on_its_ground_in_both_themes(theme):
    css = (Path(__file__).parents[2] / "dashboards" / "frontend" / "css" / "00-tokens.css").read_text("utf-8")
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in css.split(":root")[1:3])
    tokens = light if theme == "light" else light | dark
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert {
        pair: round(contrast(tokens[pair[0]], tokens[pair[1]]), 2)
        for pair in TEXTS
        if contrast(tokens[pair[0]], tokens[pair[1]]) < 4.5
    } == {}


def test_outcomes_have_one_colour_in_styles_and_on_maps():
    css = (Path(__file__).parents[2] / "dashboards" / "frontend" / "css" / "00-tokens.css").read_text("utf-8")
    tokens = dict(re.findall(r"--(covered|missed|unknown): (#[0-9a-f]{6});", css))
    assert tokens == {key: outcome_color(key) for key in ("covered", "missed", "unknown")}
