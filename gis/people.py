"""People and devices by day: duty, observed and silent time, distance patrolled; and what each device's fixes were like."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numba import njit

from gis.advance import net_advance
from gis.calendar import total_ms
from gis.coverage import COUNTS, SLOW
from gis.crew import carried_time, stamp
from gis.model import EXCLUDED, FixFlag
from gis.stillness import stays_of
from gis.strokes import strokes_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.coverage import Strokes
    from gis.crew import Crew
    from gis.model import Fixes, Passes
    from gis.network.model import Network
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

_MM_PER_KM = 1e6


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _patrolled(  # noqa: PLR0917 (compiled loop)
    device: npt.NDArray[np.int32], enter: I8, leave: I8, moved: I8, slow: npt.NDArray[np.bool_], ptr: I8, who: I8, start: I8, end: I8,
    out: I8,
) -> None:  # fmt: skip
    """Adds to out[person, 0] what was patrolled and to out[person, 1] what was too fast, in millimetres; passes sorted by enter.

    The distance of a shared device is split evenly among those who carry it on duty at that moment; a person with two devices is counted
    for the time that no earlier pass of theirs has filled.
    """
    filled = np.full(len(out), -(2**62), dtype=np.int64)
    for i in range(len(device)):
        if moved[i] == 0:
            continue
        lo, hi = ptr[device[i]], ptr[device[i] + 1]
        carriers = 0
        for c in range(lo, hi):
            if start[c] <= enter[i] < end[c]:
                carriers += 1
        for c in range(lo, hi):
            a, b = max(enter[i], start[c]), min(leave[i], end[c])
            p = who[c]
            a = max(a, filled[p])
            if b <= a:
                continue
            part = moved[i] * (b - a) // (leave[i] - enter[i]) // max(carriers, 1)
            out[p, 0 if slow[i] else 1] += part
            filled[p] = max(filled[p], b)


def people_days(
    network: Network, fixes: Fixes, passes: Passes, crew: Crew, standard: Standard, *, strokes: Strokes | None = None
) -> pd.DataFrame:
    """Contract `people`: everyone of the roster, by person_id.

    Effort is never counted twice: two people with one phone share its distance, one person with two phones fills each moment once.
    The way is net advance (`gis.advance`): a phone that lies still has patrolled nothing, whatever its noise.
    `strokes` is `strokes_of(network, passes, standard)` where it is known already.
    """
    strokes = strokes or strokes_of(network, passes, standard)
    use = np.flatnonzero((strokes.flags & COUNTS) > 0)
    use = use[np.lexsort((passes.device_ix[use], passes.segment_ix[use], passes.leave_ms[use], passes.enter_ms[use]))]
    ptr, who, start, end = carried_time(crew, passes.devices)
    moved = net_advance(passes, fixes, stays_of(fixes), network.graph)
    mm = np.zeros((len(crew.persons), 2), dtype=np.int64)
    if len(use) and len(crew.persons):
        _patrolled(
            passes.device_ix[use], passes.enter_ms[use], passes.leave_ms[use], moved[use], (strokes.flags[use] & SLOW) > 0,
            ptr, who, start, end, mm,
        )  # fmt: skip
    off, shared = _off_duty(crew, fixes)
    return pd.DataFrame(
        {
            "person_id": [p.person_id for p in crew.persons],
            "name": [p.name for p in crew.persons],
            "role": [p.role for p in crew.persons],
            "unit_id": [p.unit_id or None for p in crew.persons],
            "town_id": [p.town_id or None for p in crew.persons],
            "duty_s": np.array([total_ms(p.watch) for p in crew.persons], dtype=np.float64) / 1000,
            "observed_s": np.array([total_ms(o) for o in crew.observed], dtype=np.float64) / 1000,
            "silent_s": np.array([total_ms(s) for s in crew.silent], dtype=np.float64) / 1000,
            "patrol_km": mm[:, 0] / _MM_PER_KM,
            "too_fast_km": mm[:, 1] / _MM_PER_KM,
            "off_duty_fixes": off,
            "shared_device": shared,
        }
    )


def _off_duty(crew: Crew, fixes: Fixes) -> tuple[I8, npt.NDArray[np.bool_]]:
    """Fixes of each person's devices outside duty time, and whether a device was carried by two people at once."""
    off = np.zeros(len(crew.persons), dtype=np.int64)
    shared = np.zeros(len(crew.persons), dtype=np.bool_)
    bounds = np.searchsorted(fixes.device_ix, np.arange(len(fixes.devices) + 1))
    place = {d: i for i, d in enumerate(fixes.devices)}
    by_device = defaultdict(list)
    for c in crew.carries:
        by_device[c.device_id].append(c)
        if c.device_id in place:
            i = place[c.device_id]
            t = fixes.t_ms[bounds[i] : bounds[i + 1]]
            held = int(np.searchsorted(t, c.end_ms) - np.searchsorted(t, c.start_ms))
            on = sum(
                int(np.searchsorted(t, min(e, c.end_ms)) - np.searchsorted(t, max(s, c.start_ms)))
                for s, e in crew.persons[c.person_ix].duty
                if max(s, c.start_ms) < min(e, c.end_ms)
            )
            off[c.person_ix] += held - on
    for carries in by_device.values():
        for a in carries:
            for b in carries:
                if a.person_ix != b.person_ix and a.start_ms < b.end_ms and b.start_ms < a.end_ms:
                    shared[a.person_ix] = True
    return off, shared


def device_days(fixes: Fixes, passes: Passes, crew: Crew) -> pd.DataFrame:
    """Contract `device_days`: every device that sent fixes that day, by device_id.

    A fix is matched when a seen pass of its device spans its time.
    """
    size = len(fixes.devices)
    dev, t = fixes.device_ix.astype(np.int64), fixes.t_ms
    good = (fixes.flags & int(EXCLUDED)) == 0
    count = np.bincount(dev, minlength=size)
    first, last = np.full(size, 2**62), np.full(size, -(2**62))
    np.minimum.at(first, dev, t)
    np.maximum.at(last, dev, t)
    d, u = dev[good], t[good]
    same = d[1:] == d[:-1]
    gap = pd.Series(np.diff(u)[same] / 1000).groupby(d[1:][same])
    median, silence = (s.reindex(range(size)).to_numpy(dtype=np.float64) for s in (gap.median(), gap.max()))
    usable = np.bincount(d, minlength=size)
    matched = _matched(fixes, passes, good)
    carriers = defaultdict(set)
    for c in crew.carries:
        carriers[c.device_id].add(crew.persons[c.person_ix].person_id)
    flagged = {
        name: np.bincount(dev[(fixes.flags & int(flag)) > 0], minlength=size)
        for name, flag in (("duplicates", FixFlag.DUPLICATE), ("jumps", FixFlag.JUMP), ("outside", FixFlag.OUTSIDE))
    }
    frame = pd.DataFrame(
        {
            "device_id": list(fixes.devices),
            "person_ids": [";".join(sorted(carriers[x])) or None for x in fixes.devices],
            "assigned": [bool(carriers[x]) for x in fixes.devices],
            "fixes": count,
            **flagged,
            "median_interval_s": median,
            "longest_silence_s": silence,
            "matched_share": np.where(usable > 0, matched / np.maximum(usable, 1), np.nan),
            "first_fix": stamp(first, 2**62),
            "last_fix": stamp(last, -(2**62)),
        }
    )
    return frame[frame["fixes"] > 0].reset_index(drop=True)


def _matched(fixes: Fixes, passes: Passes, good: npt.NDArray[np.bool_]) -> I8:
    """Usable fixes of each device within the time of one of its seen passes."""
    place = {d: i for i, d in enumerate(fixes.devices)}
    of = np.array([place.get(d, -1) for d in passes.devices], dtype=np.int64)
    use = passes.seen & (of[passes.device_ix] >= 0) if len(of) else np.zeros(0, dtype=np.bool_)
    dev = of[passes.device_ix[use]] if len(of) else np.zeros(0, dtype=np.int64)
    low = int(fixes.t_ms.min()) if len(fixes.t_ms) else 0
    span = 1 << 40
    key = fixes.device_ix[good].astype(np.int64) * span + (fixes.t_ms[good] - low)
    begin = np.searchsorted(key, dev * span + np.clip(passes.enter_ms[use] - low, 0, span - 1))
    end = np.searchsorted(key, dev * span + np.clip(passes.leave_ms[use] - low, -1, span - 1), side="right")
    mark = np.zeros(len(key) + 1, dtype=np.int64)
    np.add.at(mark, begin, 1)
    np.add.at(mark, np.maximum(end, begin), -1)
    inside = np.cumsum(mark)[:-1] > 0
    return np.bincount(fixes.device_ix[good][inside].astype(np.int64), minlength=len(fixes.devices))
