"""What the data can support of rounds: the probability that a grid truly had so many, and the number that is most likely.

The same form as for windows of roads (`gis.calibration`): a logistic model for each call over a few features, made honest by isotonic
regression, and limits beyond which a call is not made. A row is a grid and a number of rounds k: *covered* where k were completed for
certain, *missed* where not even the possible rounds reach k, *unknown* between. So one model tells of every k: that of the required
number is the grid's `probability`, and the likely number is the median, the largest k with a probability of at least one half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from gis.calibration import probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from gis.calibration import CalibrationTable, Quality
    from gis.crew import Crew

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

FEATURES = (
    "one", "certain_log", "near_log", "around_log", "possible_log", "walked_log", "certain", "near", "around", "possible", "walked",
    "certain_high", "around_high", "gap", "doubt", "jitter", "gap_around", "gap_certain", "doubt_around", "doubt_certain", "gap_walked",
    "never", "quiet", "length", "number", "beside", "around_far", "possible_far",
)  # fmt: skip
MOST_ROUNDS = 40  # beyond the certain ones, of which a probability is worked out
_SPARSE_S, _ROOM, _HALF = 5.0, 0.3, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What was counted in G grids. Counts are of whole rounds, `reached` of rounds and the share of the unfinished one.

    Attributes:
        certain: int64 (G,), rounds of what was seen.
        possible: int64 (G,), rounds at most.
        reached: float64 (G, 4): certain, within 15 m, within 30 m, possible.
        walked: float64 (G,), all that was passed in the grid, again and again, in rounds.
        never: float64 (G,), share that was visited in no round.
        quiet: float64 (G,), what those who answer could have patrolled unheard, in rounds.
        length_mm: int64 (G,), patrollable.
        beside: float64 (G,), share of it beside which another street runs within 15 m.
        quality: float64 (G, 3), of the data (`gis.calibration.device_quality`).
    """

    certain: I8
    possible: I8
    reached: F8
    walked: F8
    never: F8
    quiet: F8
    length_mm: I8
    beside: F8
    quality: F8


def grid_quality(
    passed_mm: F8, devices: F8, *, who: Sequence[str], quality: Quality, crew: Crew
) -> npt.NDArray[np.float64]:
    """Quality of the data of each grid, float64 (G, 3): mean of the devices that passed there, by what each passed.

    Where nobody did, the best of those who answer; else that of everybody.

    Args:
        passed_mm: float64 (G, D).
        devices: float64 (D, 3), `device_quality`.
        who: ids of those who answer for each grid, joined by ;.
        quality: of the persons.
        crew: the roster.
    """
    known = cast("npt.NDArray[np.bool_]", np.isfinite(devices).all(axis=1))
    weight = passed_mm * known
    total: F8 = weight.sum(axis=1)
    mean = weight @ np.where(known[:, None], devices, 0.0) / np.maximum(total, 1e-9)[:, None]
    index = crew.index or {p.person_id: i for i, p in enumerate(crew.persons)}
    other = np.array([_best(w, index, quality) for w in who]).reshape(-1, 3)
    out: npt.NDArray[np.float64] = np.where(total.reshape(-1, 1) > 0, mean, other)
    return out


def _best(who: str, index: Mapping[str, int], quality: Quality) -> npt.NDArray[np.float64]:
    """The best of those who answer, column by column: shortest gap, surest, least jitter; that of everybody where nobody does."""
    rows = quality.persons[[index[p] for p in who.split(";") if p in index]]
    return np.array([rows[:, 0].min(), rows[:, 1].max(), rows[:, 2].min()]) if len(rows) else quality.overall


def features(counted: Counted, grid: I8, number: I8) -> F8:
    """Features of rows (grid, number of rounds), float64 (N, len(FEATURES))."""
    k = number.astype(np.float64)
    reached = counted.reached[grid]
    walked, quiet = counted.walked[grid], counted.quiet[grid]
    logs = [np.clip(np.log((v + _ROOM) / k), -3.0, 2.0) for v in (*reached.T, walked)]
    shares = [np.minimum(v / k, 1.0) for v in reached.T]
    pace = np.minimum(walked / k, 1.5)
    gap = np.log((counted.quality[grid, 0] + _SPARSE_S) / 30.0)
    sure, jitter = counted.quality[grid, 1], np.minimum(counted.quality[grid, 2], 2.0)
    columns = (
        np.ones(len(k)), *logs, *shares, pace, np.clip(reached[:, 0] - k, 0.0, 3.0), np.clip(reached[:, 2] - k, 0.0, 3.0), gap, sure,
        jitter, gap * shares[2], gap * shares[0], sure * shares[2], sure * shares[0], gap * pace, counted.never[grid],
        np.minimum(quiet / k, 2.0), np.log(np.maximum(counted.length_mm[grid], 1.0) / 1e6), np.log(k), counted.beside[grid],
        np.clip(k - reached[:, 2], 0.0, 4.0), np.clip(k - reached[:, 3], 0.0, 4.0),
    )  # fmt: skip
    return np.stack(columns, axis=1)


def calls(counted: Counted, grid: I8, number: I8) -> npt.NDArray[np.object_]:
    """Call of rows (grid, number of rounds) by counting alone: covered, missed, unknown."""
    out = np.full(len(grid), "unknown", dtype=object)
    out[counted.possible[grid] < number] = "missed"
    out[counted.certain[grid] >= number] = "covered"
    return out


def chances(counted: Counted, grid: I8, number: I8, table: CalibrationTable) -> F8:
    """Probability that each grid truly had so many rounds, of rows (grid, number of rounds, at least 1)."""
    x, call = features(counted, grid, number), calls(counted, grid, number)
    nobody = np.zeros(len(grid), dtype=np.bool_)  # one model for all grids, whoever answers
    return probabilities(call, x, table, unit=nobody, raw=np.full(len(grid), np.nan))


def likely_rounds(counted: Counted, table: CalibrationTable | None) -> I8:
    """The most likely number of rounds, int64 (G,), from the certain to the possible one; without a table that of what passed near."""
    if table is None:
        near: I8 = np.clip(counted.reached[:, 2].astype(np.int64), counted.certain, counted.possible)
        return near
    room = np.minimum(counted.possible - counted.certain, MOST_ROUNDS)
    grid = np.repeat(np.arange(len(room)), room)
    nth = np.arange(len(grid)) - np.repeat(np.cumsum(room) - room, room)
    likely = chances(counted, grid, counted.certain[grid] + nth + 1, table) >= _HALF
    first_not = np.full(len(room), MOST_ROUNDS)
    np.minimum.at(first_not, grid[~likely], nth[~likely])
    out: I8 = counted.certain + np.minimum(first_not, room)
    return out


def unsupported(
    outcome: npt.NDArray[np.object_], counted: Counted, p: F8, table: CalibrationTable
) -> npt.NDArray[np.bool_]:
    """Which calls of grids the data cannot support; arrays (G,)."""
    sure = counted.quality[:, 1]
    missed = (outcome == "missed") & (p > table.doubt_missed.at(sure))
    covered = (outcome == "covered") & (p < table.doubt_covered.at(sure))
    out: npt.NDArray[np.bool_] = missed | covered
    return out
