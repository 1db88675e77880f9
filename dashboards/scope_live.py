"""What a visitor may see of a day that is under way: live evidence, and the newest of what is in force."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from layers.contracts import TABLES
from layers.store.live import newer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    import pandas as pd

    from dashboards.auth.principal import Principal
    from dashboards.cache import Cache
    from layers.store.base import Live, Run, Store

BEAT_S = 600  # a store that was followed within this time is a live one
FIGURES = ("patrols", "windows", "rounds")  # of live evidence; its passes are shown to nobody
KEYS = {"patrols": "section_id", "windows": "section_id", "rounds": "grid_id"}


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Figures of streets: rows with a `section_id`, and the newest fix (UTC ms) that they rest on."""

    rows: pd.DataFrame
    until_ms: int


class LiveReading:
    """The part of `ScopedStore` that looks at the day under way."""

    _store: Store
    _cache: Cache
    _pinned: bool
    principal: Principal
    run: Callable[..., Run | None]
    days: Callable[[], list[date]]
    read: Callable[..., pd.DataFrame]
    edition_id: Callable[[str, date], str | None]

    def current(self) -> Self:
        """The same visitor's view of what is in force now, where otherwise a day's tables are those that its audit used."""
        found = copy.copy(self)
        found._pinned = False  # noqa: SLF001 (its own copy)
        return found

    def live(self, day: date) -> Live | None:
        """The live evidence of a day, whether or not it is the newest."""
        return self._cache.brief(("live", day), lambda: self._store.live(day))

    def evidence(self, day: date) -> Run | Live | None:
        """What the day's patrols are known by: its audit or its live evidence, whichever rests on more positions."""
        return newer(self.run(day), self.live(day))

    def seen_days(self) -> list[date]:
        """Days that were audited or have live evidence, ascending."""
        return sorted({*self.days(), *self._cache.brief(("live days",), self._store.live_days)})

    def heard(self, day: date) -> bool:
        """Whether a single position of anybody is stored for the day."""
        return self._cache.brief(("heard", day), lambda: day in self._store.positions.days(), seconds=5)

    def fed(self, day: date) -> bool:
        """Whether anything of the day is in the store, or somebody is following it: then the day, if it is today, is a live one."""

        def look() -> bool:
            if self.evidence(day) is not None or day in self._store.positions.days():
                return True
            beat = self.followed()
            return beat is not None and time.time() - beat["at_ms"] / 1000 < BEAT_S

        return self._cache.brief(("fed", day), look, seconds=5)

    def followed(self) -> dict[str, Any] | None:
        """The last step of following (at_ms, day, seconds, loaded, error, error_en; no error is empty); None where nobody ever did."""
        return self._cache.brief(("followed",), self._store.last_beat)

    def figures(self, live: Live) -> dict[str, pa.Table]:
        """Patrols, windows and rounds of live evidence (see the store's port), as far as the scope goes."""

        def look() -> dict[str, pa.Table]:
            found = self._store.live_tables(live.day, FIGURES)
            return found[1] if found is not None and found[0].serial == live.serial else {}

        whole = self._cache.get(
            ("live", live.day, live.serial), look, lambda t: 1000 + sum(x.nbytes for x in t.values())
        )
        if self.principal.scope.whole:
            return whole
        own = {"section_id": self._own("sections", live.day), "grid_id": self._own("work_grids", live.day)}
        return {n: t.filter(pc.is_in(t[KEYS[n]], own[KEYS[n]])) for n, t in whole.items()}

    def _own(self, table: str, day: date) -> pa.Array:
        return pa.array(self.read(table, day)[TABLES[table].key[-1]].astype(str).to_numpy(), pa.string())

    def of_everybody(self, name: str, run: Run, make: Callable[[Self], Counted]) -> Counted:
        """Figures of streets that need everybody's passes, counted once for all scopes and cut to the visitor's own afterwards.

        Args:
            name: what they are.
            run: what they follow from.
            make: counts them, given the whole county; they name nobody.
        """
        key, size = ("everybody", name, run.run_id), lambda c: 1000 + 100 * len(c.rows)
        found: Counted = self._cache.get(key, lambda: make(self._whole_county()), size)
        if self.principal.scope.whole:
            return found
        own = self.read("sections", run.day)["section_id"]
        return Counted(found.rows[found.rows["section_id"].isin(own)], found.until_ms)

    def _whole_county(self) -> Self:
        raise NotImplementedError
