"""Scores of matched routes against true passes, in metres."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.model import Passes


class Stretches(NamedTuple):
    """Who covered what: device, segment, and the interval on it in millimetres."""

    device: npt.NDArray[np.int64]
    segment: npt.NDArray[np.int64]
    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]

    @classmethod
    def of(cls, device: object, segment: object, a: object, b: object) -> Stretches:
        """From any two ends."""
        d, s, p, q = (np.asarray(c, np.int64) for c in (device, segment, a, b))
        return cls(d, s, np.minimum(p, q), np.maximum(p, q))


def covered(parts: list[Stretches], segments: int) -> dict[int, int]:
    """Distinct millimetres by device × segment (key device · segments + segment) of the union of the parts."""
    key = np.concatenate([p.device * segments + p.segment for p in parts])
    low, high = np.concatenate([p.low for p in parts]), np.concatenate([p.high for p in parts])
    order = np.lexsort((low, key))
    key, low, high = key[order], low[order], high[order]
    if not len(key):
        return {}
    begins = np.r_[True, key[1:] != key[:-1]]
    lift = np.cumsum(begins) * np.int64(1 << 40)  # keeps the running maximum inside its group
    reach = np.maximum.accumulate(high + lift)
    before = np.where(begins, low + lift, np.r_[0, reach[:-1]])
    fresh = np.maximum(0, high + lift - np.maximum(low + lift, before))
    keys, of = np.unique(key, return_inverse=True)
    return dict(zip(keys.tolist(), np.bincount(of, fresh).astype(np.int64).tolist(), strict=True))


def f1(truth: Stretches, got: Stretches, length_mm: npt.NDArray[np.int32]) -> dict[str, float]:
    """Metre-weighted F1, recall and precision.

    `metres` counts every distinct metre (device × segment × place); `edges` counts whole edges, traversed where at least half was.
    """
    n = len(length_mm)
    t, g, both = covered([truth], n), covered([got], n), covered([truth, got], n)
    sum_t, sum_g, union = sum(t.values()), sum(g.values()), sum(both.values())
    hit = sum_t + sum_g - union
    recall, precision = hit / max(sum_t, 1), hit / max(sum_g, 1)
    whole_t, whole_g = ({k for k, mm in c.items() if 2 * mm >= length_mm[k % n]} for c in (t, g))

    def weight(keys: set[int]) -> int:
        return sum(int(length_mm[k % n]) for k in keys)

    w_t, w_g, w_hit = weight(whole_t), weight(whole_g), weight(whole_t & whole_g)
    return {
        "metres_f1": 2 * recall * precision / max(recall + precision, 1e-12), "recall": recall, "precision": precision,
        "edges_f1": 2 * w_hit / max(w_t + w_g, 1),
    }  # fmt: skip


def observed(truth: Passes, device_ix: npt.NDArray[np.int32], t_ms: npt.NDArray[np.int64]) -> Stretches:
    """True stretches between the first and the last fix of each device: what no fix can tell of is nobody's fault."""
    n = len(truth.devices)
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(first, device_ix, t_ms)
    np.maximum.at(last, device_ix, t_ms)
    d = truth.device_ix
    a, b = truth.from_mm.astype(np.float64), truth.to_mm.astype(np.float64)
    took = np.maximum(truth.leave_ms - truth.enter_ms, 1)
    begin = np.clip((first[d] - truth.enter_ms) / took, 0.0, 1.0)
    end = np.clip((last[d] - truth.enter_ms) / took, 0.0, 1.0)
    keep = end > begin
    low, high = np.rint(a + begin * (b - a)), np.rint(a + end * (b - a))
    return Stretches.of(d[keep], truth.segment_ix[keep], low[keep], high[keep])
