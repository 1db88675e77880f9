"""The shell in Chromium: nothing leaves the machine, no console error, the map answers, visitors do not disturb each other."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
MAIN = (11, 90, 143)  # colour of main roads on the first page


@pytest.mark.parametrize("size", ["wall", "tablet"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_home_in_both_languages_and_sizes(visitor, size, lang):
    v = visitor(size=size, lang=lang).sign_in("admin")
    assert v.page.inner_text("h1") == {"zh": "工作台", "en": "Desks"}[lang]
    assert v.page.get_attribute("html", "lang") == {"zh": "zh-CN", "en": "en"}[lang]
    v.map_drawn("home-map")
    assert v.page.inner_text(".xm-panel-title") == {"zh": "图例与图层", "en": "Legend and layers"}[lang]
    assert v.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_map_draws_classes_and_says_them_in_words(visitor):
    v = visitor().sign_in("admin")
    v.map_drawn("home-map")
    words = v.page.text_content("#home-map-alternative")
    assert words.startswith("责任路段: 主干道 2, 次干道 2, 支路 2")
    drawn = v.colours("#home-map .xm-canvas")
    assert {MAIN, (77, 147, 189), (143, 181, 205)} <= drawn  # the three classes of the legend


def click_road(v):
    """Click the middle of the map's canvas until a road answers (the streets lie in rows)."""
    box = v.page.locator("#home-map canvas").bounding_box()
    for step in range(40):
        v.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20 + step * (box["height"] - 40) / 40)
        if v.page.locator(".xm-tip:not([hidden])").count():
            v.page.mouse.down()
            v.page.mouse.up()
            return v.page.inner_text(".xm-tip strong")
    return pytest.fail("no road under the mouse")


def test_a_click_on_the_map_reaches_dash(visitor):
    v = visitor().sign_in("admin")
    v.map_drawn("home-map")
    name = click_road(v)
    expect(v.page.locator("#home-picked")).to_have_text(re.compile("^已选"))
    assert name in v.page.inner_text("#home-picked")


def test_the_keyboard_reaches_the_map_and_the_skip_link(visitor):
    v = visitor().sign_in("admin")
    v.map_drawn("home-map")
    v.page.keyboard.press("Tab")
    assert v.page.evaluate("document.activeElement.className") == "skip"
    v.page.focus("#home-map canvas")
    before = v.page.get_attribute("#home-map", "data-zoom")
    v.page.keyboard.press("+")
    expect(v.page.locator("#home-map")).not_to_have_attribute("data-zoom", before)


def test_the_layer_switcher_hides_a_layer(visitor):
    v = visitor().sign_in("admin")
    v.map_drawn("home-map")
    assert MAIN in v.colours("#home-map .xm-canvas")
    v.page.locator(".xm-layer-title input").uncheck()
    v.page.wait_for_timeout(500)
    assert MAIN not in v.colours("#home-map .xm-canvas")


def test_language_and_theme_switches(visitor):
    v = visitor().sign_in("admin")
    v.page.click("#language-link")
    v.page.wait_for_selector("h1:has-text('Desks')")
    v.page.click("#theme-button")
    assert v.page.get_attribute("html", "data-theme") == "dark"
    v.open("/")
    assert v.page.get_attribute("html", "data-theme") == "dark"
    assert v.page.inner_text("h1") == "Desks"


def test_two_visitors_do_not_disturb_each_other(visitor):
    county, town = visitor().sign_in("admin"), visitor(lang="en").sign_in("town-a")
    county.map_drawn("home-map")
    town.map_drawn("home-map")
    assert county.page.locator(".kpi-value").all_inner_texts()[2] == "6"
    assert town.page.locator(".kpi-value").all_inner_texts()[2] == "3"
    name = click_road(town)
    expect(town.page.locator("#home-picked")).to_have_text(re.compile("^Chosen"))
    assert name in town.page.inner_text("#home-picked")
    assert county.page.inner_text("#home-picked") == "点击地图上的道路查看。"
    assert "A镇" in town.page.inner_text(".who")
    assert county.page.inner_text("h1") == "工作台"


def test_an_unknown_page_says_so(visitor):
    v = visitor().sign_in("admin")
    v.page.goto(v.url + "/no-such-page")
    v.page.wait_for_selector("h1:has-text('没有这个页面')")
    v.complaints[:] = [c for c in v.complaints if "404" not in c]  # the page itself answers 404, which Chromium logs


def test_a_session_that_ends_leads_back_to_the_sign_in_page(visitor):
    v = visitor().sign_in("admin")
    v.map_drawn("home-map")
    v.context.clear_cookies(name="xuncha_session")
    click_road(v)
    v.page.wait_for_selector("#password")
    v.complaints[:] = [c for c in v.complaints if "401" not in c]
