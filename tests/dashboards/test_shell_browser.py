"""The shell in Chromium: nothing leaves the machine, no console error, the map answers, visitors do not disturb each other."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
MAIN = (11, 90, 143)  # colour of main roads on the first page


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


def test_the_first_page_answers_mouse_and_keyboard(visitor):
    """One visit: classes in colours and words, a road under the mouse, the keyboard, the layer switcher, the switches of language and theme."""
    v = visitor().sign_in("admin").open("/")
    v.map_drawn("home-map")
    assert v.page.text_content("#home-map-alternative").startswith("责任路段：主干道 2，次干道 2，支路 2")
    assert {MAIN, (77, 147, 189), (143, 181, 205)} <= v.colours(
        "#home-map .xm-canvas"
    )  # the three classes of the legend

    name = click_road(v)
    expect(v.page.locator("#home-picked")).to_have_text(re.compile("^已选"))
    assert name in v.page.inner_text("#home-picked")
    assert "/explain?" in v.page.locator("#home-picked a").get_attribute("href")

    v.page.locator(".xm-layer-title input").uncheck()
    v.page.wait_for_timeout(400)
    assert MAIN not in v.colours("#home-map .xm-canvas")
    v.page.focus("#home-map canvas")
    before = v.page.get_attribute("#home-map", "data-zoom")
    v.page.keyboard.press("+")
    expect(v.page.locator("#home-map")).not_to_have_attribute("data-zoom", before)

    v.page.click("#language-link")
    v.page.wait_for_selector("h1:has-text('Desks')")
    assert v.page.get_attribute("html", "lang") == "en"
    assert v.page.inner_text(".xm-panel-title") == "Legend and layers"
    v.page.keyboard.press("Tab")
    assert v.page.evaluate("document.activeElement.className") == "skip"
    v.page.click("#theme-button")
    assert v.page.get_attribute("html", "data-theme") == "dark"
    v.open("/data")  # kept from page to page
    assert v.page.get_attribute("html", "data-theme") == "dark"


def test_two_visitors_do_not_disturb_each_other(visitor):
    county, town = visitor().sign_in("admin").open("/"), visitor(lang="en").sign_in("town-a").open("/")
    county.map_drawn("home-map")
    town.map_drawn("home-map")
    assert county.page.locator(".kpi-value").all_inner_texts()[-1] == "6"
    assert town.page.locator(".kpi-value").all_inner_texts()[-1] == "3"
    name = click_road(town)
    expect(town.page.locator("#home-picked")).to_have_text(re.compile("^Chosen"))
    assert name in town.page.inner_text("#home-picked")
    assert county.page.inner_text("#home-picked") == "点击地图上的道路查看。"
    assert "A镇" in town.page.inner_text(".who")
    assert county.page.inner_text("h1") == "工作台"


def test_an_unknown_page_says_so(visitor):
    v = visitor().sign_in_by_hand("admin")
    v.page.goto(v.url + "/no-such-page")
    v.page.wait_for_selector("h1:has-text('没有这个页面')")
    v.complaints[:] = [c for c in v.complaints if "404" not in c]  # the page itself answers 404, which Chromium logs


def test_a_session_that_ends_leads_back_to_the_sign_in_page(visitor):
    v = visitor().sign_in("admin").open("/?lang=zh")
    v.map_drawn("home-map")
    v.context.clear_cookies(name="xuncha_session")
    click_road(v)
    v.page.wait_for_selector("#password")
    assert v.page.inner_text("[role=alert]") == "登录已失效，请重新登录后继续"
    assert v.page.get_attribute("[name=next]", "value") == "/?lang=zh"
    v.complaints[:] = [c for c in v.complaints if "401" not in c]


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_was_just_chosen_can_be_read(guest, theme):
    """Dash colours the chosen option that holds the focus; on our ground that was the colour of the ground itself."""
    v = guest().sign_in("manager").open("/data?tab=standard")
    v.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    chosen = v.page.locator(".segmented label", has_text="图层与版本")
    chosen.click()
    v.page.wait_for_selector(".segmented label.selected:has-text('图层与版本')")
    text, ground = chosen.evaluate("e => { const s = getComputedStyle(e); return [s.color, s.backgroundColor]; }")
    assert text != ground
