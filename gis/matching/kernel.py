"""The hidden Markov model: candidates of every fix, and the cheapest sequence through them (Viterbi).

States are places on segments, not on directed arcs: each carries the direction in which its best history arrived there, which halves
the states on two-way streets. Costs are negative log-likelihoods (Newson & Krumm 2009): half the squared distance in sigmas, and what
a route is longer than the straight line, in betas.
"""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: C901, PLR0917
# mypy: ignore-errors
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from gis.matching.paths import FAR, Arcs, Scratch, Table, find, search

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.matching.plan import Grid, Plan

NOWHERE = np.float32(1e9)  # cost of what cannot be
SAME = 1  # moved within one segment
ROUTE = 2  # + 2 · exit + entry, each 0 for the first node and 1 for the last
SEARCHED = 8  # added where the table did not reach


class Rules(NamedTuple):
    """Settings as numbers for the kernel; lengths in metres, times in seconds, `back_mm` in millimetres."""

    candidates: int
    far_m: float
    sigma_m: float
    sigma_floor_m: float
    sigma_cap_m: float
    sigma_prior: float
    beta_m: float
    beta_share: float
    huber: float
    uturn_m: float
    back_mm: int
    speed_mps: float
    search_factor: float
    search_m: float
    oneway: bool


class States(NamedTuple):
    """States of the fixes of one track: row per fix, column per candidate.

    Attributes:
        count: int32 (F,), candidates of a fix.
        seg: int32 (F, K). pos: int32 (F, K), mm. off: float32 (F, K), metres from the fix.
        x, y: float64 (F, K), the place on the segment.
        score: float32 (F, K), cost of the best history. back: int8 (F, K), candidate before, -1 at a start.
        way: int8 (F, K), SAME, ROUTE … how it was reached. toward: int8 (F, K), direction on arrival, 0 unknown.
        prior: int32 (F,), the fix before that has candidates, -1 at a start of a chain.
    """

    count: npt.NDArray[np.int32]
    seg: npt.NDArray[np.int32]
    pos: npt.NDArray[np.int32]
    off: npt.NDArray[np.float32]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    score: npt.NDArray[np.float32]
    back: npt.NDArray[np.int8]
    way: npt.NDArray[np.int8]
    toward: npt.NDArray[np.int8]
    prior: npt.NDArray[np.int32]


def make_states(fixes: int, candidates: int) -> States:
    """Room for a track of so many fixes."""
    shape = (max(fixes, 1), candidates)
    return States(
        np.zeros(shape[0], np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.float32),
        np.zeros(shape), np.zeros(shape), np.zeros(shape, np.float32), np.zeros(shape, np.int8),
        np.zeros(shape, np.int8), np.zeros(shape, np.int8), np.zeros(shape[0], np.int32),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def candidates_of(plan: Plan, grid: Grid, px: float, py: float, radius: float, most: int, i: int, out: States) -> int:
    """Writes the nearest place of each segment within the radius to row i of `out`, nearest first; returns how many."""
    column, row = int(np.floor((px - grid.x0) / grid.cell)), int(np.floor((py - grid.y0) / grid.cell))
    if column < 0 or row < 0 or column >= grid.columns or row >= grid.rows:
        return 0
    cell = row * grid.columns + column
    found = 0
    limit = radius * radius
    seg, pos, off, sx, sy = out.seg[i], out.pos[i], out.off[i], out.x[i], out.y[i]
    for k in range(grid.ptr[cell], grid.ptr[cell + 1]):
        q = grid.item[k]
        dx, dy = plan.piece[q, 2], plan.piece[q, 3]
        ex, ey = px - plan.piece[q, 0], py - plan.piece[q, 1]
        length2 = dx * dx + dy * dy
        share = 0.0 if length2 == 0.0 else min(1.0, max(0.0, (ex * dx + ey * dy) / length2))
        rx, ry = ex - share * dx, ey - share * dy
        d2 = rx * rx + ry * ry
        if d2 > limit:
            continue
        s = plan.piece_seg[q]
        d = np.float32(np.sqrt(d2))
        end = found
        for m in range(found):
            if seg[m] == s:
                end = m
                break
        if end < found:
            if off[end] <= d:
                continue
        elif found < most:
            found += 1
        else:
            end = found - 1
            if off[end] <= d:
                continue
        while end > 0 and off[end - 1] > d:
            seg[end], pos[end], off[end] = seg[end - 1], pos[end - 1], off[end - 1]
            sx[end], sy[end] = sx[end - 1], sy[end - 1]
            end -= 1
        seg[end] = s
        pos[end] = np.int32(np.round(plan.piece[q, 4] + share * plan.piece[q, 5]))
        off[end] = d
        sx[end], sy[end] = px - rx, py - ry
    return found


@njit(cache=True, nogil=True)
def noise_of(states: States, fixes: int, rules: Rules, work: npt.NDArray[np.float32]) -> float:
    """Noise of a track: 1.4826 × median distance to the nearest segment, drawn to the expectation where fixes are few."""
    n = 0
    for i in range(fixes):
        if states.count[i] > 0:
            work[n] = states.off[i, 0]
            n += 1
    if n == 0:
        return rules.sigma_m
    middle = np.median(work[:n])
    sigma = (1.4826 * middle * n + rules.sigma_m * rules.sigma_prior) / (n + rules.sigma_prior)
    return min(rules.sigma_cap_m, max(rules.sigma_floor_m, sigma))


@njit(cache=True, nogil=True)
def _emission(off: float, sigma: float, huber: float) -> float:
    z = off / sigma
    return 0.5 * z * z if z <= huber else huber * (z - 0.5 * huber)


@njit(cache=True, nogil=True)
def _move(route_m: float, straight_m: float, gap_s: float, beta: float, speed: float) -> float:
    """Cost of a route between two fixes."""
    cost = abs(route_m - straight_m) / beta
    top = speed * gap_s + 30.0
    return cost if route_m <= top else cost + 2.0 * (route_m - top) / (beta + 0.1 * top)


@njit(cache=True, nogil=True)
def _offer(states: States, i: int, b: int, cost: float, a: int, way: int, toward: int) -> None:
    if cost < states.score[i, b]:
        states.score[i, b] = cost
        states.back[i, b] = a
        states.way[i, b] = way
        states.toward[i, b] = toward


@njit(cache=True, nogil=True)
def _within(
    states: States, i: int, j: int, a: int, b: int, base: float, straight: float, gap_s: float, beta: float, rules: Rules,
    oneway: int,
) -> None:  # fmt: skip
    """Offers the move within one segment from candidate a of fix j to candidate b of fix i."""
    moved = states.pos[i, b] - states.pos[j, a]
    was = states.toward[j, a]
    toward = 1 if moved > 0 else (-1 if moved < 0 else was)
    barred = rules.oneway and oneway != 0 and toward == -oneway
    turned = was != 0 and toward == -was
    if (barred or turned) and abs(moved) <= rules.back_mm:
        _offer(
            states, i, b, base + _move(0.0, straight, gap_s, beta, rules.speed_mps), a, SAME, was if turned else oneway
        )
        return
    if barred:
        return
    cost = base + _move(abs(moved) * 1e-3, straight, gap_s, beta, rules.speed_mps)
    if turned:
        cost += rules.uturn_m / beta
    _offer(states, i, b, cost, a, SAME, toward)


@njit(cache=True, nogil=True)
def _ends(table: Table, work: Scratch, searched: bool, source: int, target: int) -> int:
    """Length in mm of the path between two nodes, FAR where there is none."""
    if source == target:
        return 0
    if searched:
        return work.length[target] if work.mark[target] == work.state[0] + 1 else FAR
    k = find(table, source, target)
    return table.slot[k, 1] if k >= 0 else FAR


@njit(cache=True, nogil=True)
def _between(
    plan: Plan, arcs: Arcs, table: Table, work: Scratch, states: States, i: int, j: int, a: int,
    emit: npt.NDArray[np.float64], straight: float, gap_s: float, beta: float, rules: Rules, searched: bool,
) -> None:  # fmt: skip
    """Offers all routes from candidate a of fix j to the candidates of fix i on other segments."""
    s = states.seg[j, a]
    length, one = plan.length_mm[s], plan.oneway[s] if rules.oneway else 0
    turn = rules.uturn_m / beta
    base = np.float64(states.score[j, a])
    for way_out in range(2):
        toward = 1 if way_out == 1 else -1
        if one == -toward:
            continue
        left = length - states.pos[j, a] if way_out == 1 else states.pos[j, a]
        source = plan.seg_v[s] if way_out == 1 else plan.seg_u[s]
        start = base + (turn if states.toward[j, a] == -toward else 0.0)
        nx, ny = plan.node_x[source], plan.node_y[source]
        ready = False
        for b in range(states.count[i]):
            r = states.seg[i, b]
            if r == s:
                continue
            least = left * 1e-3 + np.hypot(states.x[i, b] - nx, states.y[i, b] - ny) - 1.0
            if least > straight and start + emit[b] + (least - straight) / beta >= states.score[i, b]:
                continue
            if searched and not ready:
                bound = int(1000 * (rules.search_factor * straight + rules.search_m))
                search(arcs, source, bound, work)
                ready = True
            one_r = plan.oneway[r] if rules.oneway else 0
            u, v = plan.seg_u[r], plan.seg_v[r]
            to_u, to_v = _ends(table, work, searched, source, u), _ends(table, work, searched, source, v)
            len_r = plan.length_mm[r]
            # a path that comes through the segment itself has passed the place already
            for way_in in range(2):
                if (way_in == 0 and one_r < 0) or (way_in == 1 and one_r > 0):
                    continue
                d = to_u if way_in == 0 else to_v
                other = to_v if way_in == 0 else to_u
                if d == FAR or (other != FAR and d >= other + len_r):
                    continue
                entry = states.pos[i, b] if way_in == 0 else len_r - states.pos[i, b]
                route = (left + np.int64(d) + entry) * 1e-3
                cost = start + emit[b] + _move(route, straight, gap_s, beta, rules.speed_mps)
                way = ROUTE + 2 * way_out + way_in + (SEARCHED if searched else 0)
                _offer(states, i, b, cost, a, way, 1 if way_in == 0 else -1)


@njit(cache=True, nogil=True)
def _step(
    plan: Plan, arcs: Arcs, table: Table, work: Scratch, states: States, i: int, j: int,
    emit: npt.NDArray[np.float64], straight: float, gap_s: float, beta: float, rules: Rules, searched: bool,
) -> bool:  # fmt: skip
    """All transitions from fix j to fix i; False where nothing is reached."""
    for b in range(states.count[i]):
        states.score[i, b] = NOWHERE
        states.back[i, b] = -1
    for a in range(states.count[j]):
        base = np.float64(states.score[j, a])
        if base >= NOWHERE:
            continue
        for b in range(states.count[i]):
            if states.seg[i, b] == states.seg[j, a]:
                one = plan.oneway[states.seg[j, a]]
                _within(states, i, j, a, b, base + emit[b], straight, gap_s, beta, rules, one)
    for a in range(states.count[j]):
        if states.score[j, a] < NOWHERE:
            _between(plan, arcs, table, work, states, i, j, a, emit, straight, gap_s, beta, rules, searched)
    reached = False
    for b in range(states.count[i]):
        reached |= states.back[i, b] >= 0
    return reached


@njit(cache=True, nogil=True)
def _start(states: States, i: int, emit: npt.NDArray[np.float64]) -> None:
    for b in range(states.count[i]):
        states.score[i, b] = emit[b]
        states.back[i, b] = -1
        states.way[i, b] = 0
        states.toward[i, b] = 0
    states.prior[i] = -1


@njit(cache=True, nogil=True)
def viterbi(
    plan: Plan, near: Grid, far: Grid, arcs: Arcs, table: Table, work: Scratch, states: States, rules: Rules,
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], t_in: npt.NDArray[np.int64], t_out: npt.NDArray[np.int64],
    median: npt.NDArray[np.float32],
) -> float:  # fmt: skip
    """Fills `states` for one track; returns its noise in metres."""
    n = len(x)
    for i in range(n):
        states.count[i] = candidates_of(plan, near, x[i], y[i], near.radius, rules.candidates, i, states)
        if states.count[i] == 0:
            states.count[i] = candidates_of(plan, far, x[i], y[i], rules.far_m, rules.candidates, i, states)
    sigma = noise_of(states, n, rules, median)
    emit = np.empty(rules.candidates)
    last = -1
    for i in range(n):
        if states.count[i] == 0:
            continue
        for b in range(states.count[i]):
            emit[b] = _emission(states.off[i, b], sigma, rules.huber)
        if last < 0:
            _start(states, i, emit)
        else:
            straight = np.hypot(x[i] - x[last], y[i] - y[last])
            gap_s = (t_in[i] - t_out[last]) * 1e-3
            beta = rules.beta_m + rules.beta_share * straight
            states.prior[i] = last
            searched = straight * 1500.0 > table.bound_mm
            done = _step(plan, arcs, table, work, states, i, last, emit, straight, gap_s, beta, rules, searched)
            if not done and not searched:
                done = _step(plan, arcs, table, work, states, i, last, emit, straight, gap_s, beta, rules, True)
            if not done:
                _start(states, i, emit)
            best = states.score[i, 0]
            for b in range(1, states.count[i]):
                best = min(best, states.score[i, b])
            for b in range(states.count[i]):
                if states.score[i, b] < NOWHERE:
                    states.score[i, b] -= best
        last = i
    return sigma
