"""Load on the desks: 50 protocol clients, two real Chromium on the live page, five who export, on a county of 10,000 segments.

`python benchmarks/desk_load.py` prints the table; `--write` puts it into docs/deploy.md. Loopback only. The server is one process
of its own, started as `xuncha serve` does. What a page asks for (its index, its callbacks, its geometry) is recorded from a real
visit with Chromium; each client then asks for the same under its own session, with a pause between pages, while it listens to the live
stream. A page's data: from the first request to the last answer, one after the other. The live page is the command desk; where the tree has none, a page
with the same stream of 10,000 values of which 2 % change a second.
"""

# ruff: noqa: E501 (a table's columns stand on a line)

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import random
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import httpx
import numpy as np
import pandas as pd
import uvicorn
from dash import html
from maps import FLAGS, lattice, states
from playwright.sync_api import sync_playwright
from shapely import box

from dashboards.app import create_app
from dashboards.auth.accounts import add_user
from dashboards.auth.sessions import CSRF_COOKIE, CSRF_HEADER
from dashboards.maps import Live, class_style, layer, map_view
from dashboards.pages import Page, all_pages
from dashboards.server import log_json
from dashboards.settings import DeskSettings
from dashboards.streams import Frame
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import Run, SourceRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dashboards.context import Desk, View

DAY = date(2026, 3, 18)
MIDNIGHT = datetime(2026, 3, 17, 16, tzinfo=UTC)
TOWNS, PER_SECTION, WINDOWS = 10, 5, 4
PASSWORD = "password of the load"
PAUSE_S = 5.0
PAGES = ("/", "/planner", "/manager")
EXPORTS = ("table/xlsx", "table/csv", "run/csv", "run/xlsx", "run/gpkg")
PAGE_DOC = Path(__file__).parent.parent / "docs" / "deploy.md"


# --- the county ---
def table(name: str, values: dict[str, Any]) -> pd.DataFrame:
    """A table of its contract from columns; what is not given is empty."""
    n = max(len(v) for v in values.values() if isinstance(v, list | np.ndarray))
    kinds = {"int": 0, "float": 0.0, "bool": False}
    frame = pd.DataFrame({
        c.name: values.get(c.name, [kinds.get(c.dtype)] * n) for c in TABLES[name].columns
    })  # fmt: skip
    for c in TABLES[name].columns:
        if c.dtype == "time":
            frame[c.name] = pd.to_datetime(frame[c.name], utc=True).astype("datetime64[ms, UTC]")
    return gpd.GeoDataFrame(frame, geometry="geometry", crs="EPSG:4326") if TABLES[name].geometry else frame


def network(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Segments and their sections, in ten towns from west to east."""
    shapes = lattice(count)
    k = np.arange(count)
    x = np.array([s.coords[0][0] for s in shapes])
    order = np.argsort(x, kind="stable")
    town = [f"t{v}" for v in k * TOWNS // count]
    section = [f"c{v // PER_SECTION}" for v in k]
    rule = np.array(["main", "secondary", "branch", "branch"])[k // PER_SECTION % 4]
    common: dict[str, Any] = {
        "section_id": section, "road_id": [f"r{v // 20}" for v in k], "road_name": [f"第{v // 20}路" for v in k],
        "policy_class": rule, "rule_id": [f"road.{r}" for r in rule], "town_id": town, "work_grid_id": [f"g{t}" for t in town],
        "length_mm": [100_000] * count, "geometry": [shapes[v] for v in order],
    }  # fmt: skip
    own = {"segment_id": [f"s{v}" for v in k], "patrollable": [True] * count, "measure_to_mm": [100_000] * count, "u": [f"u{v}" for v in k],
           "v": [f"v{v}" for v in k]}  # fmt: skip
    segments = table("segments", common | own)
    firsts = {c: list(v[::PER_SECTION]) for c, v in common.items()}
    rest = {"name": [f"{n}第{v}段" for v, n in enumerate(firsts["road_name"])], "declared": [True] * len(firsts["road_id"]),
            "unit_id": [f"q{t}" for t in firsts["town_id"]], "zone": ["central"] * len(firsts["road_id"])}  # fmt: skip
    return segments, table("sections", firsts | rest)


def results(segments: pd.DataFrame, sections: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Four windows a section with an outcome each, and the day of every segment."""
    rng = np.random.default_rng(5)
    n = len(sections) * WINDOWS
    outcomes = rng.choice(["covered", "missed", "unknown", "excused"], n, p=[0.75, 0.12, 0.1, 0.03])
    ix = np.tile(np.arange(WINDOWS), len(sections))
    share = np.where(outcomes == "covered", 1.0, 0.4)
    windows = table("section_windows", {
        "section_id": np.repeat(sections["section_id"], WINDOWS).to_numpy(), "rule_id": np.repeat(sections["rule_id"], WINDOWS).to_numpy(),
        "window_ix": ix, "starts": [MIDNIGHT + timedelta(hours=8 + 2 * int(i)) for i in ix], "ends": [MIDNIGHT + timedelta(hours=10 + 2 * int(i)) for i in ix],
        "required_share": [0.8] * n, "length_mm": [500_000] * n, "covered_share": share, "covered_mm": (share * 500_000).astype(int),
        "outcome": outcomes, "outcome_responsible": outcomes, "probability": share, "person_ids": [f"p{i % 200}" for i in range(n)], "passes": [1] * n,
    })  # fmt: skip
    days = table("segment_days", {
        "segment_id": segments["segment_id"].to_numpy(), "section_id": segments["section_id"].to_numpy(), "rule_id": segments["rule_id"].to_numpy(),
        "passes": rng.integers(0, 6, len(segments)), "visited_mm": [100_000] * len(segments), "longest_gap_s": rng.uniform(600, 20_000, len(segments)),
        "within_share": rng.uniform(0, 1, len(segments)), "outcome": np.repeat(outcomes[::WINDOWS], PER_SECTION)[: len(segments)],
    })  # fmt: skip
    return {"section_windows": windows, "segment_days": days}


def fill(folder: Path, count: int) -> None:
    """The county in an embedded store, with an administrator."""
    store = open_store(f"embedded:{folder / 'store'}")
    store.prepare()
    none = pd.DataFrame(columns=["row", "column", "code", "zh", "en", "raw"])
    towns = [f"t{k}" for k in range(TOWNS)]
    cells = [box(121.8 + k * 0.012, 29.4, 121.812 + k * 0.012, 29.52) for k in range(TOWNS)]
    units = {"unit_id": towns + [f"q{t}" for t in towns], "name": [f"{t}镇" for t in towns] + [f"{t}中队" for t in towns],
             "kind": ["town"] * TOWNS + ["squad"] * TOWNS, "parent_id": [None] * TOWNS + towns, "town_id": towns * 2}  # fmt: skip
    persons = {"person_id": [f"p{k}" for k in range(200)], "name": [f"队员{k}" for k in range(200)], "role": ["squad_member"] * 200,
               "unit_id": [f"qt{k % TOWNS}" for k in range(200)], "town_id": [f"t{k % TOWNS}" for k in range(200)]}  # fmt: skip
    inputs = {
        "work_grids": {"grid_id": [f"g{t}" for t in towns], "name": [f"网格{t}" for t in towns], "level": ["central"] * TOWNS, "town_id": towns,
                       "unit_id": [f"q{t}" for t in towns], "geometry": cells},
        "areas": {"area_id": towns, "kind": ["town"] * TOWNS, "name": [f"{t}镇" for t in towns], "geometry": cells},
        "units": units, "persons": persons,
    }  # fmt: skip
    for name, values in inputs.items():
        rows = table(name, values)
        store.load(rows, SourceRecord(name, name, name, "0" * 64, len(rows)), none, valid_from=date(2026, 1, 1))
    segments, sections = network(count)
    store.put_derived("segments", segments, edition_id="seg", valid_from=date(2026, 1, 1))
    store.put_derived("sections", sections, edition_id="sec", valid_from=date(2026, 1, 1))
    editions = {e.table: e.edition_id for e in store.editions()}
    store.publish(Run("load", DAY, "b", "xiangshan-2019", "1", editions, [], "c"), results(segments, sections), [])
    add_user(store, "load", "administrator", "county", PASSWORD)
    store.close()


# --- the server, a process of its own ---
def live_page(count: int) -> Page:
    """Stands for the command desk where there is none: its stream and its map."""
    moments = states(count, 64)

    def layout(view: View) -> Any:
        style = class_style(
            [
                {"code": k, "colour": c, "label": str(k)}
                for k, c in enumerate(("#0072b2", "#e69f00", "#d55e00", "#cc79a7"))
            ]
        )
        roads = layer("roads", "line", "roads", style, url=view.geometry_url("segments", DAY))
        return html.Div([map_view(view, "command-map", label="command", layers=[roads], height="700px"),
                         html.Span(id="command-now"), Live(id="command-live", url=view.stream_url("command"))])  # fmt: skip

    def register(_app: Any, desk: Desk) -> None:
        def produce(_view: View, _params: Mapping[str, str]) -> Frame:
            moment = int(time.time())
            return Frame(
                values={("command-map", "roads"): moments[moment % 64]},
                props={"command-now": {"children": str(moment)}},
            )

        desk.streams.register("command", produce)

    return Page(path="/command", title="home.title", layout=layout, register=register)


def serve(folder: Path, port: int, count: int) -> None:
    """The application until it is ended."""
    log_json(logging.WARNING)
    address = f"embedded:{folder / 'store'}"
    store = open_store(address)
    city = SimpleNamespace(
        name="b",
        name_en="b",
        timezone="Asia/Shanghai",
        standard=SimpleNamespace(name="xiangshan-2019", path=None),
        resolve=None,
    )
    pages = all_pages()
    pages = pages if any(p.takes("/command") for p in pages) else (*pages, live_page(count))
    app = create_app(store, city, DeskSettings(), pages=pages, store_url=address)
    uvicorn.run(app, port=port, log_level="error", ws="none", timeout_graceful_shutdown=2)


@contextmanager
def serving(folder: Path, count: int) -> Iterator[str]:
    """The server's address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    child = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(folder), "--port", str(port), "--segments", str(count)]
    )
    try:
        for _ in range(240):
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/readyz", timeout=2).is_success:
                    break
            time.sleep(0.25)
        yield url
    finally:
        child.terminate()
        child.wait(20)


# --- what a page asks for ---
@dataclass
class Asked:
    """One request of a page."""

    method: str
    path: str
    body: bytes | None


@dataclass
class Measured:
    """Seconds by what was asked, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, what: str, began: float) -> None:
        self.seconds.setdefault(what, []).append(time.perf_counter() - began)


def sign_in_browser(browser: Any, url: str) -> Any:
    """A page of a new visitor who has signed in."""
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.goto(f"{url}/login")
    page.fill("#name", "load")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("#page > *", timeout=60_000)
    return page


def record(page: Any, url: str, path: str) -> list[Asked]:
    """What the browser asks the server for when a page is opened; assets and streams aside."""
    found: list[Asked] = []

    def note(request: Any) -> None:
        rest = request.url.removeprefix(url)
        if rest.startswith("/") and not rest.startswith(("/static", "/api/stream", "/_dash-component", "/favicon")):
            found.append(Asked(request.method, rest, request.post_data_buffer))

    page.on("request", note)
    page.goto(url + path)
    page.wait_for_selector("#page > *", timeout=60_000)
    page.wait_for_timeout(6000)
    page.remove_listener("request", note)
    return found


# --- the clients ---
async def sign_in(url: str) -> httpx.AsyncClient:
    """A client with a session of its own."""
    client = httpx.AsyncClient(base_url=url, timeout=60, follow_redirects=False)
    token = (await client.get("/login")).text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = await client.post("/login", data={"name": "load", "password": PASSWORD, "csrf_token": token, "next": "/"})
    assert answer.status_code == 303, answer.status_code
    client.headers[CSRF_HEADER] = client.cookies[CSRF_COOKIE]
    return client


async def open_page(
    client: httpx.AsyncClient, what: str, asked: list[Asked], out: Measured, tags: dict[str, str]
) -> None:
    """All that a page asks for, one after the other."""
    began = time.perf_counter()
    for one in asked:
        headers = {"content-type": "application/json"} if one.method == "POST" else {}
        if one.path in tags:
            headers["if-none-match"] = tags[one.path]
        answer = await client.request(one.method, one.path, content=one.body, headers=headers)
        if answer.status_code not in {200, 204, 304}:
            out.wrong.append(f"{one.path} {answer.status_code}")
        if "etag" in answer.headers:
            tags[one.path] = answer.headers["etag"]
    out.add(f"page {what}", began)


def stream_of(page: Any, url: str) -> str:
    """The stream that the command page listens to, as the browser asks for it."""
    with page.expect_request(lambda r: "/api/stream/command" in r.url, timeout=90_000) as asked:
        page.goto(f"{url}/command")
    found: str = asked.value.url
    return found.removeprefix(url)


async def listen(client: httpx.AsyncClient, stream: str, until: float, out: Measured) -> None:
    """The live stream: seconds to the whole state, and between states."""
    began = last = time.perf_counter()
    first = True
    async with client.stream("GET", stream) as answer:
        async for line in answer.aiter_lines():
            now = time.perf_counter()
            if line.startswith("event: state"):
                out.add("stream: first state" if first else "stream: between states", began if first else last)
                first, last = False, now
            if now > until:
                return


async def visit(url: str, asked: dict[str, list[Asked]], stream: str, until: float, out: Measured, seed: int) -> None:
    """One client: the stream all the time, a page every few seconds."""
    rng = random.Random(seed)
    await asyncio.sleep(rng.uniform(0, PAUSE_S))
    async with aclosing(await sign_in(url)) as client:
        listener = asyncio.create_task(listen(client, stream, until, out))
        tags: dict[str, str] = {}
        while time.perf_counter() < until:
            what = rng.choice(list(asked))
            await open_page(client, what, asked[what], out, tags)
            await asyncio.sleep(rng.uniform(0.5, 1.5) * PAUSE_S)
        await asyncio.wait([listener], timeout=6)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def export(url: str, until: float, out: Measured, seed: int) -> None:
    """One who exports again and again."""
    async with aclosing(await sign_in(url)) as client:
        k = seed
        while time.perf_counter() < until:
            what = EXPORTS[k % len(EXPORTS)]
            began = time.perf_counter()
            answer = await client.get(f"/export/{what}", params={"day": str(DAY), "level": "road"})
            out.add(f"export {what}", began)
            if answer.status_code != 200:
                out.wrong.append(f"export {what} {answer.status_code}")
            k += 1
            await asyncio.sleep(2)


async def crowd(
    url: str, asked: dict[str, list[Asked]], stream: str, clients: int, exporters: int, seconds: float, out: Measured
) -> None:
    """All of them together."""
    until = time.perf_counter() + seconds
    tasks = [visit(url, asked, stream, until, out, k) for k in range(clients)] + [
        export(url, until, out, k) for k in range(exporters)
    ]
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, BaseException):
            out.wrong.append(f"{type(ended).__name__}: {ended}")


def run(count: int, clients: int, exporters: int, seconds: float, chromium: str) -> tuple[Measured, dict[str, Any]]:
    """Measure."""
    out = Measured()
    with tempfile.TemporaryDirectory(prefix="xuncha-load-") as place, sync_playwright() as playwright:
        fill(Path(place), count)
        with serving(Path(place), count) as url:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            viewers = [sign_in_browser(browser, url) for _ in range(2)]
            asked = {path: record(viewers[0], url, path) for path in PAGES}
            stream = stream_of(viewers[0], url)
            viewers[1].goto(f"{url}/command")
            for page in viewers:
                page.wait_for_selector("#page canvas", timeout=90_000)
            loads = os.getloadavg()
            done: dict[str, Any] = {}
            worker = in_thread(lambda: asyncio.run(crowd(url, asked, stream, clients, exporters, seconds, out)))
            while worker.is_alive():
                viewers[0].wait_for_timeout(500)
            done["alive"] = [
                page.evaluate("() => document.querySelector('[data-status]')?.dataset.status ?? ''") for page in viewers
            ]
            done["load"] = (loads[0], os.getloadavg()[0])
            done["requests"] = {p: len(a) for p, a in asked.items()}
            done["chromium"] = browser.version
            browser.close()
    return out, done


def in_thread(work: Any) -> Any:
    """Run in a thread: Playwright's own loop has the main one."""
    import threading  # noqa: PLC0415 (only here)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def report(out: Measured, facts: dict[str, Any], count: int, clients: int, exporters: int, seconds: float) -> str:
    """The table."""
    lines = [
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Chromium {facts['chromium']}; load average before "
            f"{facts['load'][0]:.1f}, at the end {facts['load'][1]:.1f}. {count:,} segments, {clients} clients, {exporters} exporters, 2 browsers, {seconds:.0f} s, one "
            f"server process. Browsers' live status at the end: {', '.join(facts['alive'])}. Failed requests: {len(out.wrong)}."
        ),
        "",
        "| what | times | median, s | p95, s | longest, s |",
        "|---|---:|---:|---:|---:|",
    ]
    for what, values in sorted(out.seconds.items()):
        q = np.quantile(values, [0.5, 0.95, 1])
        name = f"{what} ({facts['requests'][what[5:]]} requests)" if what.startswith("page") else what
        lines.append(f"| {name} | {len(values)} | {q[0]:.2f} | {q[1]:.2f} | {q[2]:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--exporters", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--port", type=int, default=0)
    a = parser.parse_args()
    if a.serve:
        serve(a.serve, a.port, a.segments)
        return
    chromium = os.environ.get("XUNCHA_CHROMIUM") or "/usr/bin/chromium"
    out, facts = run(a.segments, a.clients, a.exporters, a.seconds, chromium)
    text = report(out, facts, a.segments, a.clients, a.exporters, a.seconds)
    print(text)
    for line in sorted(set(out.wrong))[:10]:
        print(line, file=sys.stderr)
    if a.write:
        begin, end = "<!-- desk load -->\n", "<!-- desk load end -->"
        page = PAGE_DOC.read_text(encoding="utf-8")
        head, _, rest = page.partition(begin)
        if rest:
            PAGE_DOC.write_text(head + begin + text + "\n" + end + rest.partition(end)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
