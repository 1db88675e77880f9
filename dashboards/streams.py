"""Live streams: the server computes a state each second, once for all who look at the same thing, and sends each visitor what changed.

A page registers a producer; `Live(url=view.stream_url("command", …))` listens. A new or healed connection begins with the whole state.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from anyio.to_thread import run_sync

from dashboards.maps import difference, full_values
from gis.errors import XunchaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import numpy as np
    import numpy.typing as npt

    from dashboards.context import Desk, View, Visit

BEAT_S = 4.0
MAX_KEYS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One moment of a stream.

    Attributes:
        values: (map id, layer id) → value of every feature in the order of its geometry (float, NaN where missing); sent as differences.
        updates: map id → other updates (`maps.points`, `maps.replace`); sent when they changed.
        props: component id → properties (JSON, or Dash components as `to_plotly_json` gives them); sent when they changed.
        data: for the `data` property of the Live component itself; sent when it changed.
    """

    values: Mapping[tuple[str, str], npt.NDArray[np.floating[Any]]] = field(default_factory=dict)
    updates: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    props: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: Any = None


Producer = Callable[["View", Mapping[str, str]], Frame]


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda o: o.to_plotly_json())


class Sent:
    """What one connection has been told, so that it is told only what changed."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], npt.NDArray[np.floating[Any]]] = {}
        self._texts: dict[tuple[str, ...], str] = {}

    def _new(self, key: tuple[str, ...], value: Any) -> bool:
        text = _dumps(value)
        if self._texts.get(key) == text:
            return False
        self._texts[key] = text
        return True

    def message(self, frame: Frame) -> dict[str, Any]:
        """What to send for a frame; empty where nothing changed."""
        maps: dict[str, list[dict[str, Any]]] = {}
        for (map_id, layer), values in frame.values.items():
            before = self._values.get((map_id, layer))
            whole = before is None or len(before) != len(values)
            update = full_values(layer, values) if whole or before is None else difference(layer, before, values)
            self._values[map_id, layer] = values
            if update:
                maps.setdefault(map_id, []).append(update)
        for map_id, updates in frame.updates.items():
            fresh = [u for u in updates if self._new(("map", map_id, u["layer"]), u)]
            if fresh:
                maps.setdefault(map_id, []).extend(fresh)
        props: dict[str, dict[str, Any]] = {}
        for component, given in frame.props.items():
            changed = {k: v for k, v in given.items() if self._new(("prop", component, k), v)}
            if changed:
                props[component] = changed
        message: dict[str, Any] = ({"maps": maps} if maps else {}) | ({"props": props} if props else {})
        if frame.data is not None and self._new(("data",), frame.data):
            message["data"] = frame.data
        return message


class Streams:
    """Producers by name, and the moments that visitors with the same scope, language and parameters share."""

    def __init__(self, *, interval_s: float) -> None:
        self.interval_s = interval_s
        self._producers: dict[str, Producer] = {}
        self._moments: dict[tuple[Any, ...], tuple[float, Frame]] = {}
        self._locks: dict[tuple[Any, ...], threading.Lock] = {}
        self._guard = threading.Lock()

    def register(self, name: str, producer: Producer) -> None:
        """Name a producer; done once by a page when the application is put together."""
        self._producers[name] = producer

    def __contains__(self, name: str) -> bool:
        """Whether there is such a stream."""
        return name in self._producers

    def moment(self, view: View, name: str, params: Mapping[str, str]) -> Frame:
        """The current frame, computed at most once an interval for everyone who may share it."""
        key = (name, view.principal.role, str(view.principal.scope), view.lang, tuple(sorted(params.items())))
        with self._guard:
            if len(self._locks) > MAX_KEYS:
                self._locks.clear()
                self._moments.clear()
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._moments.get(key)
            if known and time.monotonic() - known[0] < self.interval_s * 0.9:
                return known[1]
            frame = self._producers[name](view, params)
            self._moments[key] = (time.monotonic(), frame)
            return frame

    async def listen(self, desk: Desk, visit: Visit, name: str, params: Mapping[str, str]) -> AsyncIterator[str]:
        """Server-sent events for one visitor: `state` when something changed, `beat` in silence; ends when the session does."""
        sent, spoke = Sent(), 0.0
        log = structlog.get_logger("xuncha.stream")
        while True:
            began = time.monotonic()
            session = visit.session
            principal = await run_sync(desk.sessions.alive, session, desk.accounts) if session else None
            if principal is None:
                return
            try:
                frame = await run_sync(self.moment, desk.view_of(principal, visit.lang), name, params)
            except XunchaError as error:
                log.warning("stream", name=name, error=str(error))
                frame = Frame(data={"error": error.render(visit.lang)})
            message = sent.message(frame)
            if message:
                spoke = began
                yield f"event: state\ndata: {_dumps(message)}\n\n"
            elif began - spoke >= BEAT_S:
                spoke = began
                yield "event: beat\ndata: 1\n\n"
            await asyncio.sleep(max(0.05, self.interval_s - (time.monotonic() - began)))
