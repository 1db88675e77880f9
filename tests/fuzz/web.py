"""Query strings of every page, export and stream, and payloads of every callback, of every role: never an error of the server."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any

import httpx

from dashboards.app import create_app, create_desk
from dashboards.auth.accounts import add_user
from dashboards.auth.principal import Principal, Scope
from dashboards.pages import all_pages
from dashboards.planner_choice import MEASURES
from dashboards.settings import DeskSettings
from gis.errors import XunchaError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from layers.store.base import Store

ROLES = {
    "f-planner": ("planner", "county"), "f-command": ("command", "county"), "f-manager": ("manager", "county"), "f-admin": ("administrator", "county"),
    "f-town": ("planner", "town:A"), "f-squad": ("command", "squad:squadB"), "f-bare": ("planner", "town:nowhere"), "f-empty": ("manager", "squad:nobody"),
}  # fmt: skip
PASSWORD = "a password for fuzzing"
PATHS = (
    "/", "/planner", "/command", "/manager", "/data", "/explain", "/nowhere", "/export/run/csv", "/export/table/csv", "/export/run/x", "/api/geometry/sections/x",
    "/api/geometry/nowhere/x", "/static/x", "/login", "/lang/en", "/healthz", "/readyz", "/metrics", "/_dash-layout", "/_dash-dependencies",
)  # fmt: skip
KEYS = (
    "day", "to", "measure", "kind", "level", "section", "grid", "community", "window", "rule", "tab", "at", "sort", "outcome", "town", "squad", "class", "road", "q",
    "next", "from", "person", "page", "run", "format", "scope",
)  # fmt: skip
VALUES = (
    "2026-03-18", "2026-13-45", "0001-01-01", "9999-12-31", "", "²", "٣", "-1", "0", "1", "99999999999999999999", "1e9", "NaN", "S1", "s0", "G1", "grid_rounds", "rounds", "roads",
    "community", "county", "town:A", "road.main", "grid.rounds.central", "'; --", "<script>", "%00", "\0", "../../etc/passwd", "null", "[]", "{}", "人民路", "🚧", "a" * 3000, "standard",
)  # fmt: skip


class Web:
    """The application over a filled store, with a client of each role."""

    def __init__(self, store: Store, city: Any) -> None:
        for name, (role, scope) in ROLES.items():
            add_user(store, name, role, scope, PASSWORD)
        self._loop = asyncio.new_event_loop()  # on a thread of its own: a browser's driver may keep one on this
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._desk, self._pages = create_desk(store, city, DeskSettings()), all_pages()
        self.app = create_app(store, city, DeskSettings(sign_in_tries=1000))
        self.clients = {name: self._signed_in(name) for name in ROLES}
        self.callbacks: list[dict[str, Any]] = self._ask("f-admin", "GET", "/_dash-dependencies").json()

    def _signed_in(self, name: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.clients = {
            **getattr(self, "clients", {}),
            name: httpx.AsyncClient(transport=transport, base_url="http://desk"),
        }
        token = self._ask(name, "GET", "/login").text.split('name="csrf_token" value="')[1].split('"')[0]
        self._ask(name, "POST", "/login", data={"name": name, "password": PASSWORD, "csrf_token": token})
        return self.clients[name]

    def _ask(self, name: str, method: str, path: str, **what: Any) -> httpx.Response:
        """The answer to an account's request, on this application's own event loop."""
        return self._wait(self.clients[name].request(method, path, **what))

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Close the clients and the loop."""
        for client in self.clients.values():
            self._wait(client.aclose())
        self._wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def query(self, number: int) -> str:
        """A page with a random query; what went wrong."""
        dice = random.Random(f"query {number}")
        pairs = [(dice.choice(KEYS), dice.choice(VALUES)) for _ in range(dice.randrange(5))]
        if dice.random() < 0.3:
            pairs.append(("measure", dice.choice(list(MEASURES))))
        path = f"{dice.choice(PATHS)}?{urllib.parse.urlencode(pairs)}"
        told = self._page(dice, dict(pairs))
        if told:
            return told
        if dice.random() < 0.1:
            path += "&" + dice.choice(("%", "%zz", "=", "&&&", "day=%ff", "day"))
        name, method = dice.choice(list(ROLES)), dice.choice(("GET", "GET", "GET", "HEAD"))
        status = self._ask(name, method, path, headers={"accept": "text/html"}).status_code
        return f"{status} {path[:300]}" if status >= 500 and status != 503 else ""

    def _page(self, dice: random.Random, query: dict[str, str]) -> str:
        """A page as the shell asks for it once it is in the browser; a refusal is an answer."""
        page, (role, scope) = dice.choice(self._pages), ROLES[dice.choice(list(ROLES))]
        view = self._desk.view_of(Principal("f", role, Scope.parse(scope)), dice.choice(("zh", "en")), query)  # type: ignore[arg-type]
        try:
            json.dumps(page.layout(view), default=lambda o: o.to_plotly_json())
        except XunchaError:
            return ""
        except Exception as error:  # noqa: BLE001 (what is looked for)
            return f"{page.path} {role} {scope} {query}: {type(error).__name__}: {error}"[:400]
        return ""

    def callback(self, number: int) -> str:
        """A callback with a random payload; what went wrong."""
        dice = random.Random(f"callback {number}")
        call = dice.choice(self.callbacks)
        body: Any = {
            "output": call["output"], "outputs": _json(dice) if dice.random() < 0.2 else _outputs(call["output"]),
            "inputs": [{**i, "value": _json(dice)} for i in call["inputs"]], "state": [{**i, "value": _json(dice)} for i in call["state"]],
            "changedPropIds": [f"{i['id']}.{i['property']}" for i in call["inputs"]][: dice.randrange(3)],
        }  # fmt: skip
        if dice.random() < 0.15:
            body[dice.choice(list(body))] = _json(dice)
        elif dice.random() < 0.05:
            body = _json(dice)
        name = dice.choice(list(ROLES))
        head = {"content-type": "application/json", "X-CSRFToken": self.clients[name].cookies["_csrf_token"]}
        status = self._ask(name, "POST", "/_dash-update-component", content=json.dumps(body), headers=head).status_code
        return (
            f"{status} {json.dumps(body, ensure_ascii=False)[:300]}"
            if status not in {200, 204, 400, 403, 422, 503}
            else ""
        )


def _outputs(output: str) -> Any:
    parts = [p.rsplit(".", 1) for p in output.strip(".").split("...")]
    made = [{"id": i, "property": p} for i, p in parts]
    return made if output.startswith("..") else made[0]


def _json(dice: random.Random, depth: int = 0) -> Any:
    what = dice.random()
    if depth < 2 and what < 0.15:
        return [_json(dice, depth + 1) for _ in range(dice.randrange(3))]
    if depth < 2 and what < 0.3:
        return {
            dice.choice(("day", "key", "value", "id", "section", "features", "0")): _json(dice, depth + 1)
            for _ in range(dice.randrange(3))
        }
    if what < 0.45:
        return dice.choice((None, True, False, 0, 1, -1, 10**18, 0.5, 1e308))
    return dice.choice(VALUES[:-2])
