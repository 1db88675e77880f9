"""Dash's FastAPI backend with callbacks on worker threads, and an answer that says what went wrong.

The backend as released runs synchronous callbacks on the event loop itself, where one slow callback holds up every other visitor, stream
and health check of the worker (dash 4.4, `serve_callback`); this runs them in the thread pool instead. It also answers every exception of a
callback with 500 and tells the log nothing; here a refusal is 403, a payload that no page of ours sends is 400, and the log has the rest.
"""

from __future__ import annotations

import inspect
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import structlog
from anyio.to_thread import run_sync
from dash.backends._fastapi import FastAPIDashServer
from dash.exceptions import DashException, PreventUpdate
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from dashboards.statuses import BAD_REQUEST, refusal
from gis.errors import XunchaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import dash
    from fastapi import FastAPI

# What values that no page of ours sends make of a callback: all its values come from the browser.
BAD_VALUES = (
    DashException,
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    pa.ArrowException,
)


def is_payload(body: Any, callbacks: Mapping[str, Any]) -> bool:
    """Whether a body names one of our callbacks, with the inputs and states that it has."""
    if not isinstance(body, dict) or not isinstance(body.get("output"), str):
        return False
    known = callbacks.get(body["output"])
    changed = body.get("changedPropIds", [])
    return (
        known is not None
        and _are(body.get("inputs", []), known["inputs"])
        and _are(body.get("state", []), known["state"])
        and isinstance(changed, list)
        and all(isinstance(c, str) for c in changed)
    )


def _are(given: Any, wanted: list[Mapping[str, Any]]) -> bool:
    return (
        isinstance(given, list)
        and len(given) == len(wanted)
        and all(_is(g, w) for g, w in zip(given, wanted, strict=True))
    )


def _is(given: Any, wanted: Mapping[str, Any]) -> bool:
    """One input; where its id is a pattern, a list of those that match, or one of them."""
    if str(wanted["id"]).startswith("{"):
        several = given if isinstance(given, list) else [given]
        return all(isinstance(g, dict) and g.get("property") == wanted["property"] for g in several)
    return isinstance(given, dict) and given.get("id") == wanted["id"] and given.get("property") == wanted["property"]


class ThreadedBackend(FastAPIDashServer):  # type: ignore[misc]
    """The FastAPI backend; callbacks that are coroutines stay on the loop. No WebSocket endpoint: live pages use dashboards.streams."""

    websocket_capability = False

    def serve_callback(self, dash_app: dash.Dash) -> Callable[[Request], Any]:
        """Handler of `/_dash-update-component`."""
        log = structlog.get_logger("xuncha.web")

        async def answered() -> Response:
            body = self.request_adapter().get_json()
            if not is_payload(body, dash_app.callback_map):
                return JSONResponse({"error": "payload"}, status_code=BAD_REQUEST)
            context = dash_app._initialize_context(body)  # noqa: SLF001 (as the backend itself does)
            function = dash_app._prepare_callback(context, body)  # noqa: SLF001
            values = dash_app._inputs_to_vals(context.inputs_list + context.states_list)  # noqa: SLF001
            call = dash_app._execute_callback(function, values, context.outputs_list, context)  # noqa: SLF001
            answer = await run_sync(copy_context().run, call)
            if inspect.iscoroutine(answer):
                answer = await answer
            response: Response = context.dash_response.set_response(data=answer)
            return response

        async def dispatch(_request: Request) -> Response:
            try:
                return await answered()
            except PreventUpdate:
                return Response(status_code=204)
            except XunchaError as error:
                log.warning("callback refused", why=str(error))
                return refusal(error)
            except BAD_VALUES as error:
                log.exception("callback failed", why=type(error).__name__)
                return JSONResponse({"error": "values"}, status_code=BAD_REQUEST)
            except Exception:
                log.exception("callback failed")
                raise

        return dispatch

    def serve_component_suites(
        self, dash_app: dash.Dash, package_name: str, fingerprinted_path: str, request: Request
    ) -> Response:
        """A script of Dash's, 404 where there is none of that name."""
        try:
            found: Response = super().serve_component_suites(dash_app, package_name, fingerprinted_path, request)
        except (DashException, LookupError, OSError, ValueError):
            return Response(status_code=404)
        return found


def backend_over(server: FastAPI) -> type[ThreadedBackend]:
    """A backend class whose Dash application lives in `server`."""

    class Backend(ThreadedBackend):
        @staticmethod
        def create_app(_name: str = "", _config: dict[str, Any] | None = None) -> FastAPI:
            return server

    return Backend
