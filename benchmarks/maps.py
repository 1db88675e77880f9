"""Which map: ours (lines of our own in MapLibre), dash-leaflet, plotly Scattermap, at 10,000 and 50,000 segments in a real Chromium.

`python benchmarks/maps.py` prints the table of docs/performance-maps.md; `--write` puts it there. Needs Chromium (XUNCHA_CHROMIUM) and
dash-leaflet. For each: time from opening the page to a drawn map, as a new visitor and as one who returns; time from handing over a new
state of every segment until two frames later (ours, leaflet) or the map's idle event (plotly); frames a second while a state with 2 %
changed comes once a second for 8 s; bytes that such a state needs on the wire. Ours runs whole: store, scope, geometry endpoint, live
stream, content security policy; the others get their data in the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely
import uvicorn
from dash import Dash, Input, Output, State, dcc, html
from playwright.sync_api import sync_playwright

from dashboards.app import create_app
from dashboards.auth.accounts import add_user
from dashboards.maps import Live, class_style, layer, map_view
from dashboards.pages import Page
from dashboards.settings import DeskSettings
from dashboards.streams import Frame
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dashboards.context import Desk, View

DAY = date(2026, 3, 18)
COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#cc79a7")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]
WATCH = """() => {
  window.frames_ = [];
  const tick = t => { window.frames_.push(t); requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""
FRAMES = """() => {
  const f = window.frames_.filter(t => t > performance.now() - 8000);
  return f.length < 2 ? 0 : 1000 * (f.length - 1) / (f[f.length - 1] - f[0]);
}"""
TWO_FRAMES = "await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));"


def lattice(count: int) -> list[shapely.LineString]:
    """A town-like lattice of bent streets, five vertices a segment."""
    side = int(np.ceil(np.sqrt(count / 2)))
    step = 0.12 / side
    rng = np.random.default_rng(7)
    k = np.arange(count)
    across = k % 2 == 0
    x0, y0 = 121.8 + (k // 2 % side) * step, 29.4 + (k // 2 // side) * step
    t = np.linspace(0, 1, 5)
    bend = rng.normal(0, 0.06 * step, (count, 5))
    xs = x0[:, None] + np.where(across[:, None], t * step, bend)
    ys = y0[:, None] + np.where(across[:, None], bend, t * step)
    return list(shapely.linestrings(np.stack([xs, ys], axis=2)))


def states(count: int, n: int) -> list[np.ndarray]:
    """N states of all segments; each differs from the one before in 2 %."""
    rng = np.random.default_rng(3)
    out = [rng.integers(0, 4, count).astype(float)]
    for _ in range(n - 1):
        following = out[-1].copy()
        changed = rng.choice(count, count // 50, replace=False)
        following[changed] = (following[changed] + 1) % 4
        out.append(following)
    return out


def segments(shapes: list[shapely.LineString]) -> gpd.GeoDataFrame:
    """The shapes as a table of segments."""
    n = len(shapes)
    ids = [f"s{k}" for k in range(n)]
    fixed: dict[str, Any] = {
        "segment_id": ids, "section_id": ids, "road_id": ids, "road_name": [f"第{k}路" for k in range(n)], "policy_class": "branch",
        "rule_id": "road.branch", "patrollable": True, "length_mm": 100_000, "measure_from_mm": 0, "measure_to_mm": 100_000, "u": "u",
        "v": "v",
        "oneway": 0, "bridge": False, "tunnel": False, "level": 0, "geometry": shapes,
    }  # fmt: skip
    columns = {c.name: fixed.get(c.name) for c in TABLES["segments"].columns}
    return gpd.GeoDataFrame(columns, geometry="geometry", crs="EPSG:4326")


@contextmanager
def running(app: Any) -> Iterator[str]:
    """A server in a thread."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def timed(component: str, prop: str, until: str) -> str:
    """JavaScript that hands a value to a component and says how many milliseconds passed until it was drawn."""
    give = f"dash_clientside.set_props({component!r}, {{{prop}: u}});"
    return f"async u => {{ const t = performance.now(); {give} {until} return performance.now() - t; }}"


def summary(update_ms: list[float], **rest: float) -> dict[str, float]:
    """One row; the middle of the measured updates."""
    return {"update_ms": statistics.median(update_ms), **rest}


# --- ours ---------------------------------------------------------------------------------------------------------------
def our_page(count: int) -> Page:
    """A page with the map, fed by a stream whose state changes by 2 % each second."""
    moments = states(count, 64)
    began = time.monotonic()

    def layout(view: View) -> Any:
        style = class_style([{"code": k, "colour": c, "label": str(k)} for k, c in enumerate(COLOURS)])
        roads = layer("roads", "line", "roads", style, url=view.geometry_url("segments", DAY))
        chart = map_view(view, "bench-map", label="bench", layers=[roads], height="700px")
        live = Live(id="live", url=view.stream_url("bench")) if view.query.get("live") else html.Span()
        return html.Div([chart, live, html.Div(id="drawn")])

    def register(app: Any, desk: Desk) -> None:
        def produce(_view: View, _params: Mapping[str, str]) -> Frame:
            return Frame(values={("bench-map", "roads"): moments[int(time.monotonic() - began) % 64]})

        desk.streams.register("bench", produce)
        app.clientside_callback(
            "function(r) { return r ? 'yes' : ''; }", Output("drawn", "children"), Input("bench-map", "ready")
        )

    return Page(path="/", title="home.title", layout=layout, register=register)


def ours(browser: Any, count: int, folder: Path) -> dict[str, float]:
    """The whole application."""
    store = open_store(f"embedded:{folder / f'store{count}'}")
    store.prepare()
    store.put_derived("segments", segments(lattice(count)), edition_id="e", valid_from=date(2026, 1, 1))
    store.publish(Run("r", DAY, "b", "s", "1", {"segments": "e"}, [], "c"), {}, [])
    add_user(store, "bench", "administrator", "county", "password of bench")
    city = SimpleNamespace(name="b", standard=SimpleNamespace(name="xiangshan-2019", path=None))
    with running(create_app(store, city, DeskSettings(), pages=(our_page(count),))) as url:
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        page = context.new_page()
        page.goto(f"{url}/login")
        page.fill("#name", "bench")
        page.fill("#password", "password of bench")
        page.click("button[type=submit]")
        page.wait_for_selector("#drawn:has-text('yes')", timeout=60_000)  # assets and geometry are in the caches now
        cold = browser.new_context(viewport={"width": 1400, "height": 900}, storage_state=context.storage_state())
        page = cold.new_page()  # a new visitor: an empty browser cache
        t0 = time.perf_counter()
        page.goto(url)
        page.wait_for_selector("#drawn:has-text('yes')", timeout=60_000)
        first = time.perf_counter() - t0
        page.close()
        page = cold.new_page()  # the same visitor again
        t0 = time.perf_counter()
        page.goto(url)
        page.wait_for_selector("#drawn:has-text('yes')", timeout=60_000)
        again = time.perf_counter() - t0
        page.evaluate(WATCH)
        times = []
        for state in states(count, 7):
            update = {"layer": "roads", "i": list(range(count)), "v": [int(v) for v in (state + len(times)) % 4]}
            script = timed("bench-map", "state", TWO_FRAMES)
            times.append(page.evaluate(script, update))
            page.wait_for_timeout(400)
        live = cold.new_page()
        session = cold.new_cdp_session(live)
        session.send("Network.enable")
        received: list[tuple[float, int]] = []
        session.on(
            "Network.dataReceived",
            lambda e: received.append((time.perf_counter(), max(e["encodedDataLength"], e["dataLength"]))),
        )
        live.goto(f"{url}/?live=1")
        live.wait_for_selector("#drawn:has-text('yes')", timeout=60_000)
        live.wait_for_timeout(2500)
        live.evaluate(WATCH)
        t0 = time.perf_counter()
        live.wait_for_timeout(8200)
        fps = live.evaluate(FRAMES)
        wire = sum(n for t, n in received if t > t0) / (time.perf_counter() - t0)
        context.close()
        cold.close()
    store.close()
    return summary(times[1:], first_s=first, again_s=again, fps=fps, wire_kb=wire / 1000)


# --- dash-leaflet -------------------------------------------------------------------------------------------------------
def leaflet(browser: Any, count: int, folder: Path) -> dict[str, float]:
    """dash-leaflet: one GeoJSON on a canvas, coloured through `hideout`."""
    import dash_leaflet as dl  # noqa: PLC0415 (only here)

    assets = folder / "assets"
    assets.mkdir(exist_ok=True)
    colours = json.dumps(COLOURS)
    style = (
        "window.dashExtensions = {default: {colour: (f, c) => ({color: %s[c.hideout[f.properties.k]], weight: 2})}};"
    )
    (assets / "style.js").write_text(style % colours)
    shapes = lattice(count)
    features = [
        {"type": "Feature", "properties": {"k": k}, "geometry": shapely.geometry.mapping(s)}
        for k, s in enumerate(shapes)
    ]
    first_state = states(count, 1)[0].astype(int).tolist()
    app = Dash(name="leaflet", assets_folder=str(assets.resolve()), backend="fastapi")
    geojson = dl.GeoJSON(
        id="roads", data={"type": "FeatureCollection", "features": features}, hideout=first_state,
        style={"variable": "dashExtensions.default.colour"}, options={"renderer": None},
    )  # fmt: skip
    app.layout = html.Div(
        [
            dl.Map(
                [geojson], center=[29.46, 121.86], zoom=12, preferCanvas=True, style={"height": "700px"}, id="bench-map"
            )
        ]
    )
    drawn = (
        "() => { const c = document.querySelector('canvas.leaflet-zoom-animated'); if (!c || !c.width) return false;"
    )
    drawn += " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; return d.some((v, k) => k % 4 === 3 && v > 0); }"
    with running(app.server) as url:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(url)
        page.wait_for_function(drawn, timeout=120_000)
        page.close()
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        t0 = time.perf_counter()
        page.goto(url)
        page.wait_for_function(drawn, timeout=120_000)
        first = time.perf_counter() - t0
        again = repeated_visit(page, url, drawn)
        script = timed("roads", "hideout", TWO_FRAMES)
        result = repeated(page, script, [s.astype(int).tolist() for s in states(count, 16)])
        page.close()
    wire = len(json.dumps(first_state, separators=(",", ":")))
    return result | {"first_s": first, "again_s": again, "wire_kb": wire / 1000}


# --- plotly -------------------------------------------------------------------------------------------------------------
def figure(shapes: list[shapely.LineString], state: np.ndarray) -> dict[str, Any]:
    """One trace a class, segments parted by nulls."""
    coordinates = np.round(np.array([s.coords for s in shapes]), 5)
    traces = []
    for k, colour in enumerate(COLOURS):
        here = coordinates[state == k]
        gap = np.full((len(here), 1, 2), np.nan)
        flat = np.concatenate([here, gap], axis=1).reshape(-1, 2)
        lon, lat = ([None if np.isnan(v) else float(v) for v in flat[:, axis]] for axis in (0, 1))
        traces.append(
            {"type": "scattermap", "mode": "lines", "lon": lon, "lat": lat, "line": {"color": colour, "width": 2}}
        )
    layout = {"map": {"style": "white-bg", "center": {"lon": 121.86, "lat": 29.46}, "zoom": 11}, "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
              "uirevision": 1, "showlegend": False}  # fmt: skip
    return {"data": traces, "layout": layout}


def plotly(browser: Any, count: int, _folder: Path) -> dict[str, float]:
    """Plotly Scattermap: the figure anew at each state."""
    shapes = lattice(count)
    moments = states(count, 16)
    app = Dash(name="plotly", backend="fastapi")
    app.layout = html.Div(
        [dcc.Graph(id="graph", figure=figure(shapes, moments[0]), style={"height": "700px"}), dcc.Store(id="s")]
    )
    app.callback(Output("s", "data"), Input("graph", "clickData"), State("s", "data"), prevent_initial_call=True)(
        lambda _c, s: s
    )
    gd = "document.querySelector('#graph .js-plotly-plot')"
    drawn = f"() => {{ const g = {gd}; const m = g && g._fullLayout && g._fullLayout.map && g._fullLayout.map._subplot;"
    drawn += " return m && m.map && m.map.loaded(); }"
    with running(app.server) as url:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(url)
        page.wait_for_function(drawn, timeout=120_000)
        page.close()
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        t0 = time.perf_counter()
        page.goto(url)
        page.wait_for_function(drawn, timeout=120_000)
        first = time.perf_counter() - t0
        again = repeated_visit(page, url, drawn)
        idle = f"await new Promise(r => {gd}._fullLayout.map._subplot.map.once('idle', r));"
        script = timed("graph", "figure", idle)
        result = repeated(page, script, [figure(shapes, m) for m in moments])
        page.close()
    wire = len(json.dumps(figure(shapes, moments[1]), separators=(",", ":")))
    return result | {"first_s": first, "again_s": again, "wire_kb": wire / 1000}


def repeated_visit(page: Any, url: str, drawn: str) -> float:
    """Seconds until the map is drawn for one who has been here."""
    page.goto("about:blank")
    t0 = time.perf_counter()
    page.goto(url)
    page.wait_for_function(drawn, timeout=120_000)
    return time.perf_counter() - t0


def repeated(page: Any, script: str, updates: list[Any]) -> dict[str, float]:
    """Updates once a second: the middle time, and the frames a second meanwhile."""
    page.evaluate(WATCH)
    times, until = [], time.perf_counter() + 9
    for update in updates:
        t0 = time.perf_counter()
        times.append(page.evaluate(script, update))
        if time.perf_counter() > until:
            break
        page.wait_for_timeout(max(1.0, 1000 - 1000 * (time.perf_counter() - t0)))
    return summary(times[1:] or times, fps=page.evaluate(FRAMES))


CONTENDERS = {
    "ours (own line layer in MapLibre)": ours,
    "dash-leaflet (canvas, hideout)": leaflet,
    "plotly Scattermap": plotly,
}


def table(rows: list[tuple[str, int, dict[str, float]]]) -> str:
    """The measured rows as a Markdown table."""
    lines = [
        "| map | segments | first map, s | second visit, s | update of all, ms | frames a second | KB a state on the wire |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, count, r in rows:
        seconds = f"{r['first_s']:.2f} | {r['again_s']:.2f}"
        lines.append(
            f"| {name} | {count:,} | {seconds} | {r['update_ms']:.0f} | {r['fps']:.0f} | {r['wire_kb']:,.1f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="*", default=[10_000, 50_000])
    parser.add_argument("--only", default="", help="part of a contender's name")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance-maps.md")
    options = parser.parse_args()
    rows = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("XUNCHA_CHROMIUM", "/usr/bin/chromium"), args=FLAGS
        )
        version = browser.version
        for count in options.counts:
            for name, measure in CONTENDERS.items():
                if options.only in name:
                    rows.append((name, count, measure(browser, count, Path(folder))))
                    print(table(rows[-1:]).splitlines()[-1], flush=True)
        browser.close()
    text = table(rows)
    print(text)
    if options.write:
        path = Path(__file__).parents[1] / "docs" / "performance-maps.md"
        head, _, rest = path.read_text("utf-8").partition("<!-- measured -->")
        note = f"Chromium {version}, software rendering, {os.cpu_count()} cores, {platform.system()}."
        path.write_text(
            f"{head}<!-- measured -->\n{note}\n\n{text}\n<!-- end -->{rest.partition('<!-- end -->')[2]}", "utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
