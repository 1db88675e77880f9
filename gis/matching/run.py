"""The compiled loop over tracks, and fixes drawn together to observations."""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: PLR0917
# mypy: ignore-errors
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from gis.matching.kernel import Rules, States, noise_of, seek, thin, viterbi
from gis.matching.trace import Judgement, Legs, Out, choose, write
from gis.model import FixFlag

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.matching.paths import Arcs, Scratch, Table
    from gis.matching.plan import Grid, Plan

_STATIONARY = int(FixFlag.STATIONARY)


@njit(cache=True, nogil=True)
def observe(
    t: npt.NDArray[np.int64], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], flags: npt.NDArray[np.uint16],
    track: npt.NDArray[np.int32], radius: float,
) -> tuple[
    npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int32],
    npt.NDArray[np.int32],
]:  # fmt: skip
    """Observations: fixes of tracks, the fixes of one stay drawn together at their mean.

    Returns x, y, first and last time, track, and the first observation of each track (one more at the end).
    """
    n = len(t)
    ox, oy = np.empty(n), np.empty(n)
    first, last, of = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)
    begins = np.empty(n + 1, np.int32)
    m, tracks, current, stay = 0, 0, -1, 0
    for i in range(n):
        if track[i] < 0:
            continue
        if track[i] != current:
            current = track[i]
            begins[tracks] = m
            tracks += 1
            stay = 0
        if flags[i] & _STATIONARY:
            if stay > 0 and np.hypot(x[i] - ox[m - 1], y[i] - oy[m - 1]) <= radius:
                ox[m - 1] += (x[i] - ox[m - 1]) / (stay + 1)
                oy[m - 1] += (y[i] - oy[m - 1]) / (stay + 1)
                last[m - 1] = t[i]
                stay += 1
                continue
            stay = 1
        else:
            stay = 0
        ox[m], oy[m], first[m], last[m], of[m] = x[i], y[i], t[i], t[i], current
        m += 1
    begins[tracks] = m
    return ox[:m], oy[:m], first[:m], last[:m], of[:m], begins[: tracks + 1]


@njit(cache=True, nogil=True)
def run(
    plan: Plan, near: Grid, far: Grid, arcs: Arcs, table: Table, work: Scratch, states: States, rules: Rules,
    gap_ms: npt.NDArray[np.int64], judge: Judgement, legs: Legs,
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], t_in: npt.NDArray[np.int64], t_out: npt.NDArray[np.int64],
    of: npt.NDArray[np.int32], begins: npt.NDArray[np.int32], wanted: npt.NDArray[np.bool_], start: int, out: Out,
) -> int:  # fmt: skip
    """Matches tracks from number `start` on; returns the first that is not done (out is full), or their number."""
    chosen = np.empty(len(states.count), np.int32)
    ahead = np.empty((2, rules.candidates), np.float32)
    emit, rank = np.empty(rules.candidates), np.empty(rules.candidates, np.int64)
    median = np.empty(len(states.count), np.float32)
    for k in range(start, len(begins) - 1):
        if not wanted[k]:
            continue
        a, b = begins[k], begins[k + 1]
        seek(plan, near, near.radius, False, states, rules, x[a:b], y[a:b])
        seek(plan, far, rules.far_m, True, states, rules, x[a:b], y[a:b])
        sigma = noise_of(states, b - a, rules, median)
        thin(states, rules, sigma, x[a:b], y[a:b], t_in[a:b], t_out[a:b])
        viterbi(plan, arcs, table, work, states, rules, sigma, x[a:b], y[a:b], t_in[a:b], t_out[a:b], emit, rank)
        choose(states, b - a, chosen, ahead)
        mine = Judgement(gap_ms[k], judge.unique_mm, judge.unique_share, judge.pass_ms, judge.back_mm)
        if not write(
            arcs,
            table,
            work,
            states,
            rules,
            mine,
            legs,
            chosen,
            x[a:b],
            y[a:b],
            t_in[a:b],
            t_out[a:b],
            of[a],
            sigma,
            out,
        ):
            return k
    return len(begins) - 1
