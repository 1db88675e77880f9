"""When devices were heard, and where people were before and after each silence."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.model import EXCLUDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from gis.calendar import Interval
    from gis.model import Fixes

Place = tuple[int, float, float]  # UTC milliseconds; metres in the CRS of the network


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch of a person's watch without a fix, and where they were last heard and heard again.

    Attributes:
        start_ms, end_ms: within the watch.
        left, back: time (UTC milliseconds) and place (metres, CRS of the network) of the fix before and after; None where unknown.
    """

    start_ms: int
    end_ms: int
    left: Place | None
    back: Place | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A span in which a device was heard, with the fixes at its ends (None where the span was cut)."""

    start_ms: int
    end_ms: int
    first: Place | None
    last: Place | None

    def clipped(self, start_ms: int, end_ms: int) -> Heard:
        """The span within an interval that it overlaps; a cut end has no place."""
        return Heard(
            max(self.start_ms, start_ms),
            min(self.end_ms, end_ms),
            self.first if self.start_ms >= start_ms else None,
            self.last if self.end_ms <= end_ms else None,
        )

    def without(self, start_ms: int, end_ms: int, x: float, y: float, *, opening: bool = False) -> list[Heard]:
        """What is left of the span when a stay at a place is taken out: nothing, one part or two.

        The bearer was at the device when it came to lie there; where they were when it was next moved is not known.
        `opening`: nothing was heard before, so that of a stay from the first fix on a moment is left with its place.
        """
        if start_ms >= self.end_ms or end_ms <= self.start_ms:
            return [self]
        parts = []
        if self.start_ms < start_ms or opening:
            parts.append(Heard(self.start_ms, max(start_ms, self.start_ms + 1), self.first, (start_ms, x, y)))
        if end_ms < self.end_ms:
            parts.append(Heard(end_ms, self.end_ms, None, self.last))
        return parts


def device_spans(
    fixes: Fixes, *, silence_s: float, silence_medians: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Spans in which a device was heard: no gap between its fixes above max(silence_s, silence_medians x its median interval).

    Returns:
        first and last fix of each span (int64, rows of `fixes`), sorted; and limit_ms (int64, per device).
    """
    use = np.flatnonzero((fixes.flags & int(EXCLUDED)) == 0)
    dev, t = fixes.device_ix[use], fixes.t_ms[use]
    limit = np.full(len(fixes.devices), round(silence_s * 1000), dtype=np.int64)
    if not len(dev):
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, limit
    same = dev[1:] == dev[:-1]
    gap = np.diff(t)
    medians = pd.Series(gap[same]).groupby(dev[1:][same], sort=True).median()
    times = np.round(medians.to_numpy(dtype=np.float64) * silence_medians).astype(np.int64)
    at = medians.index.to_numpy()
    limit[at] = np.maximum(limit[at], times)
    breaks = ~same | (gap > limit[dev[1:]])
    first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    last = np.concatenate((first[1:] - 1, [len(dev) - 1]))
    return use[first], use[last], limit


def heard_spans(fixes: Fixes, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> dict[str, list[Heard]]:
    """Spans by device id, from the first and last fix of each (see `device_spans`)."""
    out: dict[str, list[Heard]] = defaultdict(list)
    columns = [fixes.device_ix[first], *(c[i] for i in (first, last) for c in (fixes.t_ms, fixes.x, fixes.y))]
    for dev, t0, x0, y0, t1, x1, y1 in zip(*(c.tolist() for c in columns), strict=True):
        out[fixes.devices[dev]].append(Heard(t0, t1, (t0, x0, y0), (t1, x1, y1)))
    return out


def silences_of(gaps: Iterable[Interval], spans: Sequence[Heard]) -> tuple[Silence, ...]:
    """Silences of one person with the last place before and the first place after each.

    Args:
        gaps: stretches without a fix.
        spans: when any of their devices was heard; none overlaps a gap.
    """
    ends = sorted((s.end_ms, s.last is not None, s.last or ()) for s in spans)
    starts = sorted((s.start_ms, s.first is None, s.first or ()) for s in spans)
    end_ms, start_ms = [e[0] for e in ends], [s[0] for s in starts]
    out = []
    for start, end in gaps:
        i, j = bisect_right(end_ms, start) - 1, bisect_left(start_ms, end)
        left = ends[i][2] if i >= 0 else ()
        back = starts[j][2] if j < len(starts) else ()
        out.append(Silence(start, end, left or None, back or None))
    return tuple(out)
