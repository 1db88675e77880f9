"""Dash's FastAPI backend with callbacks on worker threads.

The backend as released runs synchronous callbacks on the event loop itself, where one slow callback holds up every other visitor, stream
and health check of the worker (dash 4.4, `serve_callback`); this runs them in the thread pool instead.
"""

from __future__ import annotations

import inspect
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from dash.backends._fastapi import FastAPIDashServer
from fastapi import Request  # noqa: TC002 (FastAPI reads the annotation)

if TYPE_CHECKING:
    from collections.abc import Callable

    import dash
    from fastapi import FastAPI, Response


class ThreadedBackend(FastAPIDashServer):  # type: ignore[misc]
    """The FastAPI backend; callbacks that are coroutines stay on the loop. No WebSocket endpoint: live pages use dashboards.streams."""

    websocket_capability = False

    def serve_callback(self, dash_app: dash.Dash) -> Callable[[Request], Any]:
        """Handler of `/_dash-update-component`."""

        async def dispatch(_request: Request) -> Any:
            body = self.request_adapter().get_json()
            context = dash_app._initialize_context(body)  # noqa: SLF001 (as the backend itself does)
            function = dash_app._prepare_callback(context, body)  # noqa: SLF001
            values = dash_app._inputs_to_vals(context.inputs_list + context.states_list)  # noqa: SLF001
            call = dash_app._execute_callback(function, values, context.outputs_list, context)  # noqa: SLF001
            answer = await run_sync(copy_context().run, call)
            if inspect.iscoroutine(answer):
                answer = await answer
            response: Response = context.dash_response.set_response(data=answer)
            return response

        return dispatch


def backend_over(server: FastAPI) -> type[ThreadedBackend]:
    """A backend class whose Dash application lives in `server`."""

    class Backend(ThreadedBackend):
        @staticmethod
        def create_app(_name: str = "", _config: dict[str, Any] | None = None) -> FastAPI:
            return server

    return Backend
