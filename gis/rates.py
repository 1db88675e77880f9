"""The one definition of a rate: every figure of compliance on every screen is computed here.

windows = covered + missed + unknown + excused. Excused windows are in no denominator (`measure.rates_exclude_excused`); the bounds are
covered / asked and (covered + unknown) / asked with asked = windows - excused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.standard import Standard

OUTCOMES = ("covered", "missed", "unknown", "excused")
COVERED, MISSED, UNKNOWN, EXCUSED = range(4)  # places in OUTCOMES
COUNT_COLUMNS = ("windows", *OUTCOMES)
KM_COLUMNS = ("km_windows", *(f"km_{o}" for o in OUTCOMES))
MM_PER_KM = 1_000_000


def rate_bounds(
    covered: npt.NDArray[np.float64],
    unknown: npt.NDArray[np.float64],
    excused: npt.NDArray[np.float64],
    windows: npt.NDArray[np.float64],
    *,
    exclude_excused: bool = True,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper bound of a rate; NaN where nothing was asked."""
    asked = windows - excused if exclude_excused else windows
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(asked > 0, covered / asked, np.nan)
        high = np.where(asked > 0, (covered + unknown) / asked, np.nan)
    return np.minimum(low, 1.0), np.minimum(high, 1.0)


def counts_by(
    keys: npt.NDArray[np.int64],
    outcome: npt.NDArray[np.int64],
    length_mm: npt.NDArray[np.int64],
    size: int,
    standard: Standard,
    *,
    excused_mm: npt.NDArray[np.int64] | None = None,
) -> pd.DataFrame:
    """Counts, kilometre-windows and rate bounds of windows grouped by an integer key 0 … size - 1.

    Args:
        keys: int64 (W,), group of each window.
        outcome: int64 (W,), index into OUTCOMES.
        length_mm: int64 (W,), length of the subject.
        size: number of groups.
        standard: says how rates are weighted.
        excused_mm: int64 (W,), what of the length is closed (`excused_millimetres`); none: nothing is.

    Returns:
        a frame of `size` rows with the columns windows … rate_high of the contracts. Lengths are added as integers, so sums are exact.
    """
    return count_frame(*tally(keys, outcome, length_mm, size, excused_mm), standard)


def excused_millimetres(windows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """What of the length of each window exceptions close; 0 where a table (of an earlier audit, of grids) does not say."""
    if "excused_mm" not in windows.columns:
        return np.zeros(len(windows), dtype=np.int64)
    return windows["excused_mm"].fillna(0).to_numpy(dtype=np.int64)


def tally(
    keys: npt.NDArray[np.int64],
    outcome: npt.NDArray[np.int64],
    length_mm: npt.NDArray[np.int64],
    size: int,
    excused_mm: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Windows and millimetres per outcome of each group, both int64 (size, 4) in the order of OUTCOMES; arguments as of `counts_by`.

    The closed metres of a window that is owed in part are excused millimetres, the others those of its outcome.
    """
    flat = keys * len(OUTCOMES) + outcome
    counts = np.bincount(flat, minlength=size * len(OUTCOMES)).reshape(size, len(OUTCOMES))
    mm = np.zeros(size * len(OUTCOMES), dtype=np.int64)
    closed = np.zeros(len(flat), dtype=np.int64) if excused_mm is None else np.where(outcome == EXCUSED, 0, excused_mm)
    np.add.at(mm, flat, length_mm - closed)
    np.add.at(mm, keys * len(OUTCOMES) + EXCUSED, closed)
    return counts.astype(np.int64), mm.reshape(size, len(OUTCOMES))


def count_frame(counts: npt.NDArray[np.int64], mm: npt.NDArray[np.int64], standard: Standard) -> pd.DataFrame:
    """The columns windows … rate_high from counts and millimetres per outcome, both (size, 4) in the order of OUTCOMES."""
    data: dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]] = {"windows": counts.sum(axis=1)}
    data |= {o: counts[:, i] for i, o in enumerate(OUTCOMES)}
    km = mm / MM_PER_KM
    data["km_windows"] = mm.sum(axis=1) / MM_PER_KM
    data |= {f"km_{o}": km[:, i] for i, o in enumerate(OUTCOMES)}
    by = mm if standard.measure.weight.value == "km" else counts
    weight = by.astype(np.float64)
    data["rate_low"], data["rate_high"] = rate_bounds(
        weight[:, 0], weight[:, 2], weight[:, 3], weight.sum(axis=1),
        exclude_excused=standard.measure.rates_exclude_excused.value,
    )  # fmt: skip
    return pd.DataFrame(data)
