"""How many exports may be under way at once: few of one account and a few more in all, in each worker; the rest come again later."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_ONE, OF_ALL = 2, 8
AGAIN_S = 15


class Turns:
    """Counts what is under way; asked and told on the event loop only, so that it needs no lock."""

    def __init__(self, *, of_one: int = OF_ONE, of_all: int = OF_ALL) -> None:
        self._of_one, self._of_all = of_one, of_all
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def turn(self, name: str) -> Iterator[bool]:
        """Whether an account may export now; if so it counts until the end of the block."""
        granted = self._under_way[name] < self._of_one and self._under_way.total() < self._of_all
        if granted:
            self._under_way[name] += 1
        try:
            yield granted
        finally:
            if granted:
                self._under_way[name] -= 1
                self._under_way += Counter()  # names of nobody are forgotten
