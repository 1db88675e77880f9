"""Exports in a process of their own, at lower priority: a file that takes seconds must not hold up the desks.

One process makes one file after the other; it is started by the first export and ends with the server, however that ends.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dashboards.auth.principal import Principal, Scope
from dashboards.cache import Cache
from dashboards.duty import roster_duty
from dashboards.exports.files import run_file
from dashboards.exports.shown import Shown, write_shown
from dashboards.scope import scoped
from gis.errors import Fault, ImpossibleError, XunchaError
from layers.standard_editions import standard_of
from layers.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from dashboards.context import View
    from dashboards.desk_manager import Choice
    from dashboards.scoped_source import ExportCity

NICE = 10
LOOK_S = 2.0
MEMORY = 256 << 20


@dataclass(frozen=True, slots=True)
class Order:
    """An export as it goes to the other process: whose, of what, in which form."""

    store_url: str
    city: ExportCity
    name: str
    role: str
    scope: str
    day: date
    kind: str
    lang: str


def make(order: Order) -> tuple[str, bytes] | tuple[Fault, ...]:
    """Name and bytes of the file, or the faults that made it impossible."""
    standard = standard_of(order.city)
    store = open_store(order.store_url, timezone=order.city.timezone)
    try:
        principal = Principal(order.name, order.role, Scope.parse(order.scope))  # type: ignore[arg-type]
        data = scoped(store, principal, cache=Cache(MEMORY), duty=roster_duty(standard, ZoneInfo(order.city.timezone)))
        return run_file(data, order.city, standard, order.day, order.kind, order.lang)
    except XunchaError as error:
        return tuple(error.faults)
    finally:
        store.close()


def make_table(shown: Shown, choice: Choice, name: str, kind: str) -> tuple[str, bytes] | tuple[Fault, ...]:
    """Name and bytes of a table as a file, or the faults that made it impossible."""
    try:
        with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
            return name, write_shown(shown, choice, Path(folder) / name, kind).read_bytes()
    except XunchaError as error:
        return tuple(error.faults)


def written(made: tuple[str, bytes] | tuple[Fault, ...]) -> tuple[str, bytes]:
    """Name and bytes.

    Raises:
        ImpossibleError: faults were made instead.
    """
    name, body = made[0], made[-1]
    if isinstance(name, str) and isinstance(body, bytes):
        return name, body
    raise ImpossibleError([f for f in made if isinstance(f, Fault)])


def _begin(parent: int) -> None:
    """Be polite, and do not outlive the server."""
    os.nice(NICE)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Apart:
    """The other process, for one application."""

    def __init__(self, store_url: str) -> None:
        self._url = store_url
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def _executor(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(os.getpid(),))
            return self._pool

    async def run_file(self, view: View, city: ExportCity, day: date, kind: str) -> tuple[str, bytes]:
        """Name and bytes of a day's run in one format, made in the other process.

        Raises:
            ImpossibleError: the run cannot be exported, or the process died over it.
        """
        who = view.principal
        return await self._made(make, Order(self._url, city, who.name, who.role, str(who.scope), day, kind, view.lang))

    async def table_file(self, shown: Shown, choice: Choice, name: str, kind: str) -> tuple[str, bytes]:
        """Name and bytes of a table that has been gathered here, written in the other process.

        Raises:
            ImpossibleError: it cannot be written, or the process died over it.
        """
        return await self._made(make_table, shown, choice, name, kind)

    async def _made(
        self, work: Callable[..., tuple[str, bytes] | tuple[Fault, ...]], *order: object
    ) -> tuple[str, bytes]:
        """What the other process makes of an order; whoever waits for it holds no thread."""
        pool = self._executor()
        try:
            made = await asyncio.wrap_future(pool.submit(work, *order))
        except BrokenProcessPool as error:
            with self._lock:
                if self._pool is pool:
                    self._pool = None
            raise ImpossibleError(
                Fault(
                    "export.died",
                    "导出进程意外结束",
                    "the process that exports has died",
                    "请重试；若再次发生，请检查内存",
                    "try again; if it happens again, look at the memory",
                )
            ) from error
        return written(made)

    def processes(self) -> list[int]:
        """Process ids, for those who watch."""
        return list(getattr(self._pool, "_processes", None) or {})

    def close(self) -> None:
        """End the process; an export under way is given up."""
        with self._lock:
            children = self.processes()
            pool, self._pool = self._pool, None
        if pool is not None:
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGTERM)
            pool.shutdown(wait=True, cancel_futures=True)
