"""A town's account tries every page, callback, stream, geometry and export of another town: nothing of it comes back.

The same is asked by an account of the whole county, which must be given what the town is refused: a question that nobody could answer proves nothing.
"""

from __future__ import annotations

import io
import zipfile

import httpx
import pytest
from conftest import sign_in
from town import DAY

from dashboards.exports.run import FORMATS as RUN_FORMATS
from dashboards.exports.shown import FORMATS as TABLE_FORMATS
from layers.contracts import TABLES

# What only town B's tables hold: names, since ids that one asks with come back in answers.
OF_B = ("B镇", "B中队", "象山港路", "天安路", "建设路", "队员B", "网格B", "社区B", "占道经营B")

PAGES = (
    ("/", ""), ("/planner", "?measure=road_outcome&squad=squadB"), ("/planner", "?measure=density_gap"), ("/command", ""),
    ("/manager", "?level=section&in_town=B"), ("/manager", "?level=section&in_squad=squadB"), ("/manager", "?level=person"),
    ("/manager", "?kind=rounds&level=grid&in_town=B"), ("/manager", "?level=window&in_section=c3"),
    ("/manager", "?kind=community&level=window&in_community=cgB"), ("/data", "?tab=loads"), ("/data", "?tab=runs"),
    ("/explain", "?section=c3"), ("/explain", "?section=c3&rule=road.main&window=0"), ("/explain", "?grid=g1"), ("/explain", "?community=cgB"),
)  # fmt: skip
# What a callback is asked with, by id and property of its inputs; a callback that this table does not reach fails the test.
CLICKS = [
    {"layer": layer, "id": key, "title": "", "value": 0, "lon": 121.87, "lat": 29.49, "n": 1}
    for layer, key in (
        ("roads", "s3"),
        ("sections", "c3"),
        ("grids", "g1"),
        ("cells", "g1"),
        ("people", "pB"),
        ("cases", "caseB"),
    )
]
CHOICES = [
    {"query": query, "day": str(DAY), "start": 0}
    for query in (
        {"level": "section", "in_town": "B"}, {"level": "section"}, {"level": "window", "in_section": "c3"}, {"level": "person"},
        {"kind": "rounds", "level": "grid"}, {"kind": "community", "level": "community"},
    )
]  # fmt: skip
GIVEN = {
    "planner-measure": "road_outcome", "planner-from": str(DAY), "planner-to": str(DAY), "planner-from2": str(DAY), "planner-to2": str(DAY),
    "planner-compare": "none", "planner-squad": "squadB", "planner-under": "none", "planner-group": "coverage", "planner-count": "5",
    "planner-period": "month", "planner-category": "all", "manager-day": str(DAY), "manager-find": "象山港路",
}  # fmt: skip
SHOWN_TO_THE_COUNTY = ("page.children", "planner-detail.children", "manager-table.children")


@pytest.fixture(scope="module")
def asker(server):
    """A function from account to a signed-in client, one for all tests."""
    clients = {}

    def make(name):
        if name not in clients:
            clients[name] = httpx.Client(base_url=server.url, cookies=sign_in(server.url, name).cookies, timeout=120)
        return clients[name]

    yield make
    for client in clients.values():
        client.close()


def text_of(answer) -> str:
    """All text of an answer, out of archives too."""
    if answer.content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return "".join(archive.read(n).decode("utf-8", "replace") for n in archive.namelist())
    return answer.content.decode("utf-8", "replace")


def leaks(text: str) -> list[str]:
    """Words of town B in a text, also as JSON escapes them."""
    return [w for w in OF_B if w in text or w.encode("unicode_escape").decode() in text]


def ask(client, callback, values):
    """POST a callback as the browser does."""

    def one(ref):
        many = isinstance(ref.get("id"), str) and ref["id"].startswith("{")
        if many:
            return []
        return {"id": ref["id"], "property": ref["property"], "value": values.get(ref["id"], GIVEN.get(ref["id"]))}

    output = callback["output"]
    parts = output[2:-2].split("...") if output.startswith("..") else [output]
    refs = [dict(zip(("id", "property"), p.rsplit(".", 1), strict=True)) for p in parts]
    body = {
        "output": output, "outputs": refs if output.startswith("..") else refs[0], "inputs": [one(r) for r in callback["inputs"]],
        "state": [one(r) for r in callback.get("state", [])],
        "changedPropIds": [f"{callback['inputs'][0]['id']}.{callback['inputs'][0]['property']}"],
    }  # fmt: skip
    return client.post("/_dash-update-component", json=body, headers={"X-CSRFToken": client.cookies["_csrf_token"]})


def hostile(callback) -> list[dict]:
    """Values for a callback's inputs that ask for town B, one set after the other."""
    ids = {r["id"] for r in (*callback["inputs"], *callback.get("state", []))}
    properties = {r["property"] for r in callback["inputs"]}
    if "address" in ids:
        return []  # the router: every page is asked for by itself
    if "click" in properties:
        maps = [r["id"] for r in callback["inputs"] if r["property"] == "click"]
        return [{maps[0]: c} for c in CLICKS]
    if "manager-choice" in ids:
        clicked = {r["id"]: 1 for r in callback["inputs"] if r["property"] == "n_clicks"}
        return [{"manager-choice": c, **clicked} for c in CHOICES]
    return [{r["id"]: 1 for r in callback["inputs"] if r["property"] == "n_clicks"}]


def test_every_page(asker):
    town, county = asker("town-a"), asker("admin")
    router = next(c for c in county.get("/_dash-dependencies").json() if c["output"] == "page.children")
    seen = set()
    for path, search in PAGES:

        def go(client, path=path, search=search):
            body = {
                "output": "page.children", "outputs": {"id": "page", "property": "children"}, "changedPropIds": ["address.pathname"],
                "inputs": [{"id": "address", "property": "pathname", "value": path}],
                "state": [{"id": "address", "property": "search", "value": f"{search}{'&' if search else '?'}day={DAY}"}],
            }  # fmt: skip
            return client.post(
                "/_dash-update-component", json=body, headers={"X-CSRFToken": client.cookies["_csrf_token"]}
            )

        answer = go(town)
        assert answer.status_code == 200, (path, search)
        assert leaks(answer.text) == [], (path, search)
        seen |= set(leaks(go(county).text))
    assert router["inputs"]
    assert {"象山港路", "队员B", "网格B", "社区B"} <= seen


def test_every_callback(asker):
    town, county = asker("town-a"), asker("admin")
    callbacks = [c for c in county.get("/_dash-dependencies").json() if not c.get("clientside_function")]
    assert len(callbacks) > 8
    shown = {}
    for callback in callbacks:
        for values in hostile(callback):
            for client, name in ((town, "town"), (county, "county")):
                answer = ask(client, callback, values)
                found = leaks(answer.text)
                assert name == "county" or found == [], (callback["output"], values, found)
                shown.setdefault((name, callback["output"]), set()).update(found)
    told = {output for (name, output), words in shown.items() if name == "county" and words}
    assert all(any(wanted in output for output in told) for wanted in SHOWN_TO_THE_COUNTY[1:]), told


@pytest.mark.parametrize("table", [t for t in TABLES if TABLES[t].geometry])
def test_every_geometry(asker, table):
    answer = asker("town-a").get(f"/api/geometry/{table}/any?day={DAY}&scope=county")
    assert answer.status_code in {200, 404}
    assert leaks(text_of(answer)) == []
    ids = [w for w in ("s3", "s4", "c3", "c4", "g1", "cgB", "caseB") if w.encode() in answer.content]
    assert ids == []


@pytest.mark.parametrize("kind", RUN_FORMATS)
def test_every_export_of_a_run(asker, kind):
    answer = asker("town-a").get(f"/export/run/{kind}?day={DAY}&scope=county")
    assert answer.status_code == 200
    assert leaks(text_of(answer)) == []


@pytest.mark.parametrize("kind", TABLE_FORMATS)
def test_every_export_of_the_table(asker, kind):
    for query in ("level=section&in_town=B", "level=section", "level=person"):
        answer = asker("town-a").get(f"/export/table/{kind}?day={DAY}&{query}")
        assert answer.status_code == 200
        assert leaks(text_of(answer)) == []
    assert kind == "pdf" or leaks(text_of(asker("admin").get(f"/export/table/{kind}?day={DAY}&level=section")))


def test_every_stream_and_scene(asker):
    query = f"day={DAY}&at=560&speed=0&span=day&began=0&scope=county&person=pB"  # 09:20: windows are under way
    with asker("town-a").stream("GET", f"/api/stream/command?{query}") as answer:
        first = next(line for line in answer.iter_lines() if line.startswith("data: "))
    assert leaks(first) == []
    assert asker("town-a").get("/api/stream/planner").status_code == 404
    assert asker("town-a").get("/api/scene/none/colour.png").status_code == 404


REFUSED = {"planner": ("/manager", "/command"), "command": ("/manager", "/planner"), "manager": (), "admin": ()}


@pytest.mark.parametrize("name", REFUSED)
def test_every_role_finds_its_desks_and_no_others(asker, name):
    client = asker(name)
    bar = client.get("/", headers={"accept": "text/html"}).text
    for path in ("/planner", "/command", "/manager", "/data"):
        body = {
            "output": "page.children", "outputs": {"id": "page", "property": "children"}, "changedPropIds": ["address.pathname"],
            "inputs": [{"id": "address", "property": "pathname", "value": path}], "state": [{"id": "address", "property": "search", "value": ""}],
        }  # fmt: skip
        page = client.post(
            "/_dash-update-component", json=body, headers={"X-CSRFToken": client.cookies["_csrf_token"]}
        ).json()
        refused = "您的角色不能打开此页" in str(page)
        assert refused == (path in REFUSED[name]), path
        assert (f'href="{path}"' in bar) != refused, path
