"""How often the audit is wrong: what it called each window against what was true there, and the metres of its passes against the true ones.

Truth is judged by the same rules from true passes with nobody silent, so that what differs is only what the data did to the audit.
*Precision* of a call: of the windows so called, the share that were so. *Recall*: of the windows that truly were so, the share that were
called so; windows called unknown are lost to recall, never to precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from gis.model import Passes

KEY = ("section_id", "rule_id", "window_ix")
DECIDED = ("covered", "missed")
CALLS = ("covered", "missed", "unknown", "excused")
HOUR_MS = 3_600_000


# --- windows ---
def compare_windows(called: pd.DataFrame, true: pd.DataFrame, *, classes: pd.Series[str] | None = None) -> pd.DataFrame:
    """One row a window: what was called and what was so.

    Args:
        called: contract `section_windows`, as audited.
        true: the same, judged from true passes.
        classes: policy class by section_id, for reports per class.

    Returns:
        columns section_id, rule_id, window_ix, length_mm, call, cause (of the call), truth, probability, and policy_class where
        `classes` is given.

    Raises:
        ValueError: the two do not hold the same windows.
    """
    left = called.set_index(list(KEY))[["length_mm", "outcome", "cause", "probability"]]
    right = true.set_index(list(KEY))["outcome"]
    if len(left) != len(right) or not left.index.isin(right.index).all():
        raise ValueError("called and true hold different windows")  # noqa: TRY003, EM101 (a caller's error, no user's)
    out = left.rename(columns={"outcome": "call"}).assign(truth=right.reindex(left.index)).reset_index()
    if classes is not None:
        out["policy_class"] = out["section_id"].map(classes)
    return out


def confusion(windows: pd.DataFrame) -> pd.DataFrame:
    """Counts of call (rows) by truth (columns covered, missed); windows excused in truth are left out."""
    asked = windows[windows["truth"].isin(DECIDED)]
    table = pd.crosstab(asked["call"], asked["truth"])
    return table.reindex(index=list(CALLS), columns=list(DECIDED), fill_value=0)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a confusion says. Shares are NaN where their denominator is nought.

    Attributes:
        windows: windows asked (not excused in truth).
        precision_covered, precision_missed: see the module.
        recall_covered, recall_missed: see the module.
        unknown_share: of the windows asked.
        unknown_covered: of those called unknown, the share that truly was covered.
        rate_true: true rate, by windows.
        rate_low, rate_high: the audit's bounds, by windows.
        rate_error: distance from the true rate to the bounds, 0 where they hold it; negative where the bounds lie too low.
    """

    windows: int
    precision_covered: float
    precision_missed: float
    recall_covered: float
    recall_missed: float
    unknown_share: float
    unknown_covered: float
    rate_true: float
    rate_low: float
    rate_high: float
    rate_error: float


def scores(table: pd.DataFrame) -> Scores:
    """Scores of a confusion (see `confusion`)."""
    n = table.to_numpy(dtype=float)
    (cc, cm), (mc, mm), (uc, um) = n[0], n[1], n[2]
    total = n[:3].sum()
    true, low, high = _share(n[:3, 0].sum(), total), _share(cc + cm, total), _share(cc + cm + uc + um, total)
    error = low - true if low > true else high - true if high < true else 0.0
    return Scores(
        windows=int(total), precision_covered=_share(cc, cc + cm), precision_missed=_share(mm, mc + mm),
        recall_covered=_share(cc, cc + mc + uc), recall_missed=_share(mm, cm + mm + um), unknown_share=_share(uc + um, total),
        unknown_covered=_share(uc, uc + um), rate_true=true, rate_low=low, rate_high=high, rate_error=error,
    )  # fmt: skip


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


# --- passes ---
@dataclass(frozen=True, slots=True)
class PassScores:
    """Metres that were passed and found (`both`), truly passed (`true`), and said to be passed (`found`)."""

    both_m: float
    true_m: float
    found_m: float

    @property
    def recall(self) -> float:
        """Share of the metres truly passed that were found."""
        return _share(self.both_m, self.true_m)

    @property
    def precision(self) -> float:
        """Share of the metres said to be passed that truly were."""
        return _share(self.both_m, self.found_m)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return _share(2 * self.both_m, self.true_m + self.found_m)


def score_passes(
    true: Passes,
    found: Passes,
    *,
    within: npt.NDArray[np.bool_] | None = None,
    bin_ms: int = HOUR_MS,
    seen_only: bool = True,
) -> PassScores:
    """Distinct metres of each segment by device and hour, found against true: a stretch found in the wrong hour is wrong.

    Devices that truth does not know (a second phone of the same bearer) are left out.

    Args:
        true: true passes.
        found: passes of the audit on the same network.
        within: bool (S,), segments to look at; None for all.
        bin_ms: length of the bins of time.
        seen_only: leave inferred passes out, as the audit does by default.
    """
    names = sorted({*true.devices, *found.devices})
    pieces = []
    for p, seen in ((true, False), (found, seen_only)):
        keep = p.seen.copy() if seen else np.ones(len(p.segment_ix), np.bool_)
        if p.devices != true.devices:
            keep &= np.isin(p.device_ix, [i for i, d in enumerate(p.devices) if d in set(true.devices)])
        if within is not None:
            keep &= within[p.segment_ix]
        pieces.append(_pieces(p, keep, names, bin_ms))
    t, f = pieces
    both = tuple(np.concatenate([a, b], axis=-1) for a, b in zip(t, f, strict=True))
    true_mm, found_mm, union_mm = _union(*t), _union(*f), _union(*both)
    return PassScores((true_mm + found_mm - union_mm) / 1000, true_mm / 1000, found_mm / 1000)


def _pieces(
    p: Passes, keep: npt.NDArray[np.bool_], names: Sequence[str], bin_ms: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Key (rows device, bin, segment) and interval of every pass, cut where it crosses into the next bin."""
    place = {n: i for i, n in enumerate(names)}
    rank = np.array([place[d] for d in p.devices], dtype=np.int64)
    row = np.flatnonzero(keep)
    enter, leave = p.enter_ms[row], p.leave_ms[row]
    first, last = enter // bin_ms, np.maximum(leave - 1, enter) // bin_ms
    count = last - first + 1
    of = np.repeat(np.arange(len(row)), count)
    bin_ix = first[of] + np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    took = np.maximum(leave - enter, 1)[of]
    begin = np.clip((bin_ix * bin_ms - enter[of]) / took, 0.0, 1.0)
    end = np.where(bin_ix == last[of], 1.0, ((bin_ix + 1) * bin_ms - enter[of]) / took)
    a, b = p.from_mm[row][of].astype(np.int64), p.to_mm[row][of].astype(np.int64)
    lo, hi = (np.rint(a + s * (b - a)).astype(np.int64) for s in (begin, end))
    segment = p.segment_ix[row][of].astype(np.int64)
    return np.stack([rank[p.device_ix[row][of]], bin_ix, segment]), np.minimum(lo, hi), np.maximum(lo, hi)


def _union(key: npt.NDArray[np.int64], lo: npt.NDArray[np.int64], hi: npt.NDArray[np.int64]) -> int:
    """Total length of the union of intervals within each key (columns of an array of shape (3, N))."""
    if not len(lo):
        return 0
    order = np.lexsort((lo, *key))
    key, lo, hi = key[:, order], lo[order], hi[order]
    group = np.r_[0, np.cumsum((np.diff(key, axis=1) != 0).any(axis=0))]
    stride = int(hi.max()) + 1
    reach = np.maximum.accumulate(group * stride + hi)
    before = np.r_[-1, reach[:-1]] - group * stride
    return int(np.maximum(hi - np.maximum(lo, np.maximum(before, 0)), 0).sum())


# --- probabilities ---
def reliability(
    probability: npt.NDArray[np.float64], happened: npt.NDArray[np.bool_], *, edges: Sequence[float] | None = None
) -> pd.DataFrame:
    """Reliability diagram: of the windows given about the same probability, the share in which it happened.

    Args:
        probability: float64 (N,), 0 … 1.
        happened: bool (N,).
        edges: of the bins; default tenths with finer ones at both ends.

    Returns:
        columns low, high, windows, said (mean probability), happened (share); bins without windows are left out.
    """
    cuts = np.array(edges if edges is not None else (0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 1.0))
    bin_ix = np.clip(np.searchsorted(cuts, probability, "right") - 1, 0, len(cuts) - 2)
    n = np.bincount(bin_ix, minlength=len(cuts) - 1)
    said = np.bincount(bin_ix, weights=probability, minlength=len(cuts) - 1)
    yes = np.bincount(bin_ix, weights=happened.astype(float), minlength=len(cuts) - 1)
    some = n > 0
    return pd.DataFrame(
        {
            "low": cuts[:-1][some],
            "high": cuts[1:][some],
            "windows": n[some],
            "said": said[some] / n[some],
            "happened": yes[some] / n[some],
        }
    )


def brier(probability: npt.NDArray[np.float64], happened: npt.NDArray[np.bool_]) -> float:
    """Mean squared error of probabilities (Brier 1950): 0 perfect, 0.25 what a coin gets."""
    return float(np.mean((probability - happened) ** 2)) if len(probability) else float("nan")
