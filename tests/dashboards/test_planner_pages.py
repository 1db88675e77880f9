"""The planner's and the data page in the running application: who may see what, and the way from a click to the clause."""

from __future__ import annotations

import json

import httpx
import pytest
from conftest import SIZES
from town import CITY, DAY

from dashboards.app import create_desk
from dashboards.auth.principal import ForbiddenError, Principal, Scope
from dashboards.pages import data as data_page
from dashboards.pages import planner
from dashboards.planner_choice import MEASURES, choice_from
from dashboards.planner_detail import detail
from dashboards.planner_picture import draw, paint
from dashboards.settings import DeskSettings

FIX = (204, 121, 167)


@pytest.fixture(scope="module")
def view_of(town_store):
    desk = create_desk(town_store, CITY, DeskSettings())

    def make(role="planner", scope="county", lang="zh", **query):
        return desk.view_of(Principal("someone", role, Scope.parse(scope)), lang, query)

    return make


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_every_measure_can_be_drawn_even_where_there_is_nothing(view_of, measure):
    view = view_of()
    for compare in ("none", "side", "difference", "under"):
        said = {"measure": measure, "compare": compare, "under": "ndvi"}
        shown = planner.picture(view, choice_from(said, view.data.days()))
        assert shown["layers"]
        assert {layer["id"] for layer in shown["layers"]} >= {state["layer"] for state in shown["state"]}


def test_the_map_shows_what_the_run_says(view_of):
    view = view_of()
    painted = paint(view, choice_from({"measure": "road_gap"}, [DAY]), (DAY,))
    assert painted.places["segment_id"].tolist() == [f"s{k}" for k in range(6)]


def test_a_town_sees_its_own_roads_and_no_more(view_of):
    view = view_of("manager", "town:A")
    choice = choice_from({"measure": "road_outcome", "squad": "squadB"}, [DAY])
    one, _ = draw(view, choice)
    assert one.main.places["segment_id"].tolist() == ["s0", "s1", "s2"]
    assert "追溯" not in str(detail(view, choice, {"layer": "roads", "id": "s4"}))
    assert "squadB" not in str(planner.layout(view))
    own = str(detail(view, choice, {"layer": "roads", "id": "s0"}))
    assert "丹河路" in own
    assert "城区主干道及重要商业街道在正常上班时间内每1小时开展1次全面巡查" in own


def test_a_grid_without_figures_is_still_described(view_of):
    view = view_of()
    assert "网格A" in str(detail(view, choice_from({}, [DAY]), {"layer": "grids", "id": "g0"}))
    assert "没有数据" in str(detail(view, choice_from({}, [DAY]), {"layer": "cells", "id": "nowhere"}))


def test_the_data_page_by_role_and_scope(view_of):
    for tab in ("loads", "quarantine", "editions"):
        assert "只有全县范围" in str(data_page.contents(view_of("manager", "town:A"), tab))
    assert "data-export" not in str(data_page.contents(view_of("planner"), "quarantine"))
    with pytest.raises(ForbiddenError):
        data_page.rejected(view_of("planner"), "", "")
    assert "✗" not in str(data_page.contents(view_of("planner"), "loads"))
    for tab in data_page.TABS:
        for lang in ("zh", "en"):
            assert data_page.contents(view_of("administrator", lang=lang), tab)


def test_the_address_remembers_the_choice(view_of):
    days = view_of().data.days()
    choice = choice_from({"measure": "road_rate", "hour": "9", "class": "main", "compare": "side", "count": "10"}, days)
    query = dict(pair.split("=") for pair in planner.query_of(choice).split("&"))
    assert choice_from(query, days) == choice


def test_images_of_scenes_need_a_session_and_a_scene(server, client):
    assert httpx.get(f"{server.url}/api/scene/x/colour.png").status_code in {302, 303, 401, 403}
    assert client("planner").get("/api/scene/x/colour.png").status_code == 404


def test_from_the_map_to_the_clause(visitor):
    v = visitor().sign_in("manager").open(f"/planner?day={DAY}&measure=road_gap")
    v.map_drawn("planner-map")
    assert v.page.locator(".planner-kpis .kpi").count() == 5
    box = v.page.locator("#planner-map").bounding_box()
    canvas = v.page.locator("#planner-map canvas").first
    for step in range(
        int(box["height"]) - 10, 10, -6
    ):  # the streets run from west to east: up the map until the one with a pass is hit
        x, y = box["x"] + 0.55 * box["width"], box["y"] + step
        v.page.mouse.move(x, y)
        v.page.wait_for_timeout(60)
        if "pointer" not in (canvas.get_attribute("style") or ""):
            continue
        with v.page.expect_response(lambda r: "planner-detail" in (r.request.post_data or "")) as told:
            v.page.mouse.click(x, y)
        detail = json.dumps(told.value.json(), ensure_ascii=False)
        if "丹河路" in detail and "Blockquote" in detail:
            break
    v.page.wait_for_selector("#planner-detail section:has-text('丹河路'):has(blockquote)")
    assert "三（" in v.page.locator("#planner-detail blockquote").first.inner_text()
    assert "/explain?" in v.page.locator("#planner-detail a.button").get_attribute("href")
    v.page.locator("#planner-detail a.button").click()  # figures → windows → passes → fixes
    v.page.wait_for_selector("h1:has-text('丹河路全段')")
    v.map_drawn("explain-map")
    assert v.page.locator("table.data tbody tr").count() >= 1
    assert "定位" in v.page.inner_text(".xm-panel")
    assert FIX in v.colours("#explain-map .xm-canvas")
    v.page.go_back()
    words = "人员"
    v.page.locator(".segmented label", has_text=words).first.click()
    v.page.wait_for_url("**/planner?measure=density_gap*")
    assert v.page.evaluate("document.documentElement.scrollWidth") <= SIZES["wall"]["width"]


def test_the_data_page_in_a_browser(visitor):
    v = visitor().sign_in("admin").open("/data")
    assert v.page.locator("table.data tbody tr").count() > 5
    v.page.locator(".segmented label", has_text="标准与条款").click()
    v.page.wait_for_selector("text=城区主干道及重要商业街道")
