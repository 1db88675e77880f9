"""A bounded memory of what was read from the store: rows of editions and runs never change under their id."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
BRIEF_S = 1.0
MANY = 10_000


class Cache:
    """Least recently used values, bounded by their size; one a process, handed around, safe between threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._brief: dict[Hashable, tuple[float, object]] = {}

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of a key, made once even when many ask at the same time."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return cast("T", self._values[key][0])
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return cast("T", self._values[key][0])
            value = make()
            self._keep(key, value, size(value))
        return value

    def brief(self, key: Hashable, make: Callable[[], T], *, seconds: float = BRIEF_S) -> T:
        """A small value that may change, asked for again only after some time: which run of a day is the current one."""
        known = self._brief.get(key)
        now = time.monotonic()
        if known is not None and now - known[0] < seconds:
            return cast("T", known[1])
        value = make()
        if len(self._brief) > MANY:
            self._brief.clear()
        self._brief[key] = (now, value)
        return value

    def _keep(self, key: Hashable, value: object, size: int) -> None:
        with self._lock:
            self._making.pop(key, None)
            if key in self._values:
                self._held -= self._values.pop(key)[1]
            self._values[key] = (value, size)
            self._held += size
            while self._held > self._limit and len(self._values) > 1:
                self._held -= self._values.popitem(last=False)[1][1]
