"""A process kept alive beside this one: started again when it dies, ended with this one."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PARENT = "XUNCHA_PARENT"  # environment of the child: whose end is its end
FIRST_S, LONGEST_S = 1.0, 60.0  # how long to wait before it is started again: twice as long each time
STEADY_S = 120.0  # it lived so long: the next wait is short again


@contextmanager
def kept_beside(
    command: Sequence[str],
    *,
    died: Callable[[int], None] = lambda _: None,
    grace_s: float = 20.0,
    first_s: float = FIRST_S,
) -> Iterator[None]:
    """Keep a command running while the block runs.

    Args:
        command: program and arguments; it gets this process's environment and streams.
        died: told the exit code each time that it ended by itself.
        grace_s: time between SIGTERM and SIGKILL at the end.
        first_s: wait before the first new start.
    """
    over = threading.Event()
    held: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        wait = first_s
        while not over.is_set():
            begun = time.monotonic()
            held[:] = [subprocess.Popen(command, env={**os.environ, PARENT: str(os.getpid())})]  # noqa: S603 (our own)
            if over.is_set():  # it was started just as the end came
                held[0].terminate()
            code = held[0].wait()
            if over.is_set():
                return
            died(code)
            wait = first_s if time.monotonic() - begun > STEADY_S else wait
            over.wait(wait)
            wait = min(2 * wait, LONGEST_S)

    keeper = threading.Thread(target=keep, name="beside", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        for child in held:
            _end(child, grace_s)
        keeper.join(timeout=grace_s)


def _end(child: subprocess.Popen[bytes], grace_s: float) -> None:
    child.terminate()
    try:
        child.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def parent_gone() -> bool:
    """Whether this process was started by `kept_beside` and whoever started it is no more."""
    parent = os.environ.get(PARENT)
    return parent is not None and str(os.getppid()) != parent
