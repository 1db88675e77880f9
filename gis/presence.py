"""Where the persons of some roles were within their watch hours: what `density.present` and the density surface both count."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gis.calendar import total_ms
from gis.model import EXCLUDED

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.crew import Crew
    from gis.model import Fixes
    from gis.standard import Standard

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """N places where somebody was for a while.

    Attributes:
        xy: float64 (N, 2), metres in the CRS of the fixes.
        persons: float64 (N,), share of that person's watch hours spent there; they add up to at most 1 a person.
    """

    xy: npt.NDArray[np.float64]
    persons: npt.NDArray[np.float64]


def presence_of(crew: Crew, fixes: Fixes | None, standard: Standard) -> Presence:
    """Presence of those whom the density rules name.

    A person is where the newest fix of any device that they carry says, until the next one, at most for `measure.silence_s` and within
    their watch hours. So somebody who hands in one phone and takes another is there all the time, and somebody with two is there once.
    """
    roles = {role for rule in standard.density_rules().values() for role in rule.roles}
    held = _held(crew, fixes, set(crew.of_roles(roles)))
    if fixes is None or not held:
        return Presence(np.zeros((0, 2)), np.zeros(0))
    hold = round(standard.measure.silence_s.value * 1000)
    places, weights = [], []
    for person in sorted(held):
        at, until = _stays(fixes, np.concatenate(held[person]), hold)
        watch = crew.persons[person].watch
        for start, end in watch:
            stay = np.minimum(until, end) - np.maximum(fixes.t_ms[at], start)
            inside = stay > 0
            places.append(np.column_stack([fixes.x[at[inside]], fixes.y[at[inside]]]))
            weights.append(stay[inside] / total_ms(watch))
    return Presence(np.concatenate(places or [np.zeros((0, 2))]), np.concatenate(weights or [np.zeros(0)]))


def _held(crew: Crew, fixes: Fixes | None, wanted: set[int]) -> dict[int, list[npt.NDArray[np.int64]]]:
    """Usable fixes of each person: those of every device while they carried it."""
    out: dict[int, list[npt.NDArray[np.int64]]] = defaultdict(list)
    if fixes is None:
        return out
    place = {d: i for i, d in enumerate(fixes.devices)}
    bounds = np.searchsorted(fixes.device_ix, np.arange(len(fixes.devices) + 1))
    good = (fixes.flags & int(EXCLUDED)) == 0
    for c in crew.carries:
        if c.person_ix not in wanted or c.device_id not in place:
            continue
        first, last = bounds[place[c.device_id]], bounds[place[c.device_id] + 1]
        low, high = first + np.searchsorted(fixes.t_ms[first:last], (c.start_ms, c.end_ms))
        at = np.arange(low, high)
        out[c.person_ix].append(at[good[low:high]])
    return out


def _stays(
    fixes: Fixes, rows: npt.NDArray[np.int64], hold_ms: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first fix of each minute, and until when it tells where the person was."""
    at = np.unique(rows)
    at = at[np.argsort(fixes.t_ms[at], kind="stable")]
    t = fixes.t_ms[at]
    first = np.unique(t // _MINUTE_MS, return_index=True)[1]
    if not len(at):
        return at, t
    last = np.append(first[1:], len(at)) - 1
    begins = t[first]
    return at[first], np.minimum(np.append(begins[1:], t[-1] + hold_ms), t[last] + hold_ms)
