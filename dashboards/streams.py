"""Live streams: the server computes a state each second, once for all who look at the same thing, and sends each visitor what changed.

A page registers a producer; `Live(url=view.stream_url("command", …))` listens. A new or healed connection begins with the whole state.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from anyio.to_thread import run_sync

from dashboards.maps import difference, full_values
from gis.errors import XunchaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date

    import numpy as np
    import numpy.typing as npt

    from dashboards.context import Desk, View, Visit

BEAT_S = 4.0
MAX_KEYS = 256
MAX_SHOWN = 10_000
SESSION_S = 3.0  # how long a stream trusts that its session lives


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One moment of a stream.

    Attributes:
        values: (map id, layer id) → value of every feature in the order of its geometry (float, NaN where missing); sent as differences.
        updates: map id → other updates (`maps.points`, `maps.replace`); sent when they changed.
        props: component id → properties (JSON, or Dash components as `to_plotly_json` gives them); sent when they changed.
        data: for the `data` property of the Live component itself; sent when it changed.
        persons: whose track or position this moment shows; nobody is shown it before that is in the access log.
        day: the local day that they are shown of.
    """

    values: Mapping[tuple[str, str], npt.NDArray[np.floating[Any]]] = field(default_factory=dict)
    updates: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    props: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: Any = None
    persons: frozenset[str] = frozenset()
    day: date | None = None


Producer = Callable[["View", Mapping[str, str]], Frame]


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda o: o.to_plotly_json())


def session_name(visit: Visit) -> str:
    """A session as the access log names it: the same throughout, of no use to anybody who reads it."""
    sid = visit.session.sid if visit.session else ""
    return hashlib.sha256(sid.encode()).hexdigest()[:8]


class Moment:
    """A frame that visitors share, and what those who were told an earlier one are to be told, worked out once for all of them."""

    __slots__ = ("_told", "at_s", "frame", "serial", "texts")
    _serials = itertools.count(1)

    def __init__(self, frame: Frame, at_s: float = 0.0) -> None:
        self.frame = frame
        self.at_s = at_s
        self.serial = next(
            self._serials
        )  # what was told is kept by number: an earlier moment must not live on in a later one
        self.texts: dict[tuple[str, ...], str] = {}
        self.texts |= {("map", m, u["layer"]): _dumps(u) for m, updates in frame.updates.items() for u in updates}
        self.texts |= {("prop", c, k): _dumps(v) for c, given in frame.props.items() for k, v in given.items()}
        if frame.data is not None:
            self.texts["data",] = _dumps(frame.data)
        self._told: dict[int, str] = {}

    def told(self, before: Moment | None) -> str:
        """The message as JSON for a connection that was told `before` (None: nothing yet); empty where nothing changed."""
        if before is self:
            return ""
        known = before.serial if before else 0
        if known not in self._told:
            self._told[known] = self._message(before)
        return self._told[known]

    def _message(self, before: Moment | None) -> str:
        maps: dict[str, list[str]] = {}
        for (map_id, layer), values in self.frame.values.items():
            old = before.frame.values.get((map_id, layer)) if before else None
            whole = old is None or len(old) != len(values)
            update = full_values(layer, values) if whole or old is None else difference(layer, old, values)
            if update:
                maps.setdefault(map_id, []).append(_dumps(update))
        props: dict[str, list[str]] = {}
        parts = []
        for key, text in self.texts.items():
            if before and before.texts.get(key) == text:
                continue
            if key[0] == "map":
                maps.setdefault(key[1], []).append(text)
            elif key[0] == "prop":
                props.setdefault(key[1], []).append(f"{_dumps(key[2])}:{text}")
            else:
                parts.append(f'"data":{text}')
        if props:
            inner = ",".join(f"{_dumps(c)}:{{{','.join(p)}}}" for c, p in props.items())
            parts.insert(0, f'"props":{{{inner}}}')
        if maps:
            inner = ",".join(f"{_dumps(m)}:[{','.join(u)}]" for m, u in maps.items())
            parts.insert(0, f'"maps":{{{inner}}}')
        return f"{{{','.join(parts)}}}" if parts else ""


class Streams:
    """Producers by name, and the moments that visitors with the same scope, language and parameters share."""

    def __init__(self, *, interval_s: float) -> None:
        self.interval_s = interval_s
        self._producers: dict[str, Producer] = {}
        self._shown: OrderedDict[tuple[str, str, date | None], frozenset[str]] = OrderedDict()
        self._moments: dict[tuple[Any, ...], Moment] = {}
        self._locks: dict[tuple[Any, ...], threading.Lock] = {}
        self._guard = threading.Lock()

    def register(self, name: str, producer: Producer) -> None:
        """Name a producer; done once by a page when the application is put together."""
        self._producers[name] = producer

    def __contains__(self, name: str) -> bool:
        """Whether there is such a stream."""
        return name in self._producers

    def _fresh(self, key: tuple[Any, ...]) -> Moment | None:
        known = self._moments.get(key)
        return known if known and time.monotonic() - known.at_s < self.interval_s * 0.9 else None

    @staticmethod
    def _key(view: View, name: str, params: Mapping[str, str]) -> tuple[Any, ...]:
        return (name, view.principal.role, str(view.principal.scope), view.lang, tuple(sorted(params.items())))

    def moment(self, view: View, name: str, params: Mapping[str, str]) -> Moment:
        """The current moment, computed at most once an interval for everyone who may share it."""
        key = self._key(view, name, params)
        with self._guard:
            if len(self._locks) > MAX_KEYS:
                self._locks.clear()
                self._moments.clear()
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._fresh(key)
            if known is not None:
                return known
            made = Moment(self._producers[name](view, params), time.monotonic())
            self._moments[key] = made
            return made

    async def _now(self, view: View, name: str, params: Mapping[str, str]) -> Moment:
        """The moment; a thread is used only by whoever has to compute it or to wait for it."""
        known = self._fresh(self._key(view, name, params))
        return known if known is not None else await run_sync(self.moment, view, name, params)

    def write_down(self, view: View, session: str, name: str, frame: Frame) -> None:
        """Whom a visitor is about to see, in the access log: each person once a session and day.

        Raises:
            StoreError: it could not be written; then it must not be shown.
        """
        key = (session, name, frame.day)
        known = self._shown.get(key, frozenset())
        fresh = frame.persons - known
        if fresh and frame.day is not None:
            view.data.log("tracks", day=frame.day, purpose=name, persons=sorted(fresh), session=session)
            self._shown[key] = known | fresh
            while len(self._shown) > MAX_SHOWN:
                self._shown.popitem(last=False)

    async def listen(self, desk: Desk, visit: Visit, name: str, params: Mapping[str, str]) -> AsyncIterator[str]:
        """Server-sent events for one visitor: `state` when something changed, `beat` in silence; ends when the session does."""
        last: Moment | None = None
        written: frozenset[str] = frozenset()
        spoke, asked = 0.0, -SESSION_S
        log = structlog.get_logger("xuncha.stream")
        view: View | None = None
        while True:
            began = time.monotonic()
            if view is None or began - asked >= SESSION_S:
                session = visit.session
                principal = await run_sync(desk.sessions.alive, session, desk.accounts) if session else None
                if principal is None:
                    return
                view, asked = desk.view_of(principal, visit.lang), began
            try:
                moment = await self._now(view, name, params)
                if not moment.frame.persons <= written:
                    await run_sync(self.write_down, view, session_name(visit), name, moment.frame)
                    written |= moment.frame.persons
            except XunchaError as error:
                log.warning("stream", name=name, error=str(error))
                moment = Moment(Frame(data={"error": error.render(visit.lang)}))
            text = moment.told(last)
            last = moment
            if text:
                spoke = began
                yield f"event: state\ndata: {text}\n\n"
            elif began - spoke >= BEAT_S:
                spoke = began
                yield "event: beat\ndata: 1\n\n"
            await asyncio.sleep(max(0.05, self.interval_s - (time.monotonic() - began)))
