"""A live page in Chromium: the stream reaches map and components, a cut connection is shown and heals to the right state."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Visitor, serving, sign_in
from dash import Input, Output, html
from playwright.sync_api import expect
from town import CITY, DAY

from dashboards.app import create_app
from dashboards.maps import Live, class_style, layer, map_view, points
from dashboards.pages import Page
from dashboards.settings import DeskSettings
from dashboards.streams import Frame

pytestmark = pytest.mark.browser


class Now:
    """What the test page's stream says at the moment."""

    codes = np.zeros(6)
    text = "first"


def layout(view):
    style = class_style(
        [{"code": 0, "colour": "#0072b2", "label": "好"}, {"code": 1, "colour": "#d55e00", "label": "坏"}]
    )
    roads = layer("roads", "line", "路段", style, url=view.geometry_url("segments", DAY))
    people = layer("people", "point", "人员", class_style([{"code": 0, "colour": "#009e73", "label": "在岗"}]))
    return html.Div([
        html.H1("live"), html.Div(id="list"), html.Div(id="status"), html.Div(id="data"),
        map_view(view, "live-map", label="实时", layers=[roads, people], height="500px"), Live(id="live", url=view.stream_url("test")),
    ])  # fmt: skip


def register(app, desk):
    def produce(view, params):
        county = view.principal.scope.whole
        return Frame(
            values={("live-map", "roads"): Now.codes.copy() if county else Now.codes[:3].copy()},
            updates={"live-map": [points("people", ["p1"], [121.87], [29.475], values=[0], titles=["张三"])]},
            props={"list": {"children": Now.text}},
            data={"n": int(Now.codes.sum())},
        )

    desk.streams.register("test", produce)
    app.callback(Output("status", "children"), Input("live", "status"))(lambda status: status or "")
    app.callback(Output("data", "children"), Input("live", "data"))(str)


@pytest.fixture(scope="module")
def live_server(built, town_store):
    page = Page(path="/", title="home.title", layout=layout, register=register)
    with serving(create_app(town_store, CITY, DeskSettings(stream_interval_s=0.3), pages=(page,))) as running:
        yield running


def test_state_flows_and_a_cut_connection_heals_to_the_right_state(chromium, live_server):
    Now.codes, Now.text = np.zeros(6), "first"
    v = Visitor(chromium, live_server.url).sign_in("admin").open("/")
    words = v.page.locator("#live-map-alternative")
    expect(v.page.locator("#status")).to_have_text("live", timeout=15_000)
    expect(v.page.locator("#list")).to_have_text("first")
    expect(words).to_contain_text("路段：好 6", timeout=15_000)
    expect(words).to_contain_text("人员：在岗 1")
    Now.codes, Now.text = np.array([0, 1, 0, 0, 1, 0.0]), "second"
    expect(v.page.locator("#list")).to_have_text("second")
    expect(words).to_contain_text("路段：好 4，坏 2")
    expect(v.page.locator("#data")).to_have_text("{'n': 2}")

    v.context.set_offline(True)
    expect(v.page.locator("#status")).to_have_text("live")  # Dash cannot hear of it while offline …
    v.page.wait_for_selector("#live[data-status=lost]", state="attached", timeout=15_000)  # … but the page shows it
    Now.codes, Now.text = np.ones(6), "third"
    v.context.set_offline(False)
    v.page.wait_for_selector("#live[data-status=live]", state="attached", timeout=20_000)
    expect(v.page.locator("#list")).to_have_text("third")
    expect(words).to_contain_text("坏 6")
    assert [
        c
        for c in v.complaints
        if "ERR_INTERNET_DISCONNECTED" not in c and "Failed to fetch" not in c and "Callback" not in c
    ] == []
    v.context.close()


def test_two_scopes_on_one_stream_see_their_own(chromium, live_server):
    Now.codes, Now.text = np.zeros(6), "shared"
    county, town = (Visitor(chromium, live_server.url).sign_in(name).open("/") for name in ("admin", "town-a"))
    expect(county.page.locator("#live-map-alternative")).to_contain_text("路段：好 6", timeout=15_000)
    expect(town.page.locator("#live-map-alternative")).to_contain_text("路段：好 3", timeout=15_000)
    assert county.complaints == town.complaints == []
    county.context.close()
    town.context.close()


def test_a_stream_ends_with_its_session_and_strangers_get_none(live_server, town_store):
    client = sign_in(live_server.url, "planner")
    with client.stream("GET", "/api/stream/test") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert next(answer.iter_lines()) == "event: state"
    assert client.get("/api/stream/no-such").status_code == 404
