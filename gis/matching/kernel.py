"""The hidden Markov model: candidates of every fix, and the cheapest sequence through them (Viterbi).

A state is a place on a segment, or a node where a fix projects onto the end of segments (all segments that meet there share it). States
are not doubled by direction: each carries the direction in which its best history arrived, which halves the states of two-way streets.
Costs are negative log-likelihoods (Newson & Krumm 2009): half the squared distance in sigmas, and what a route is longer than the
straight line, in betas. A candidate pair is looked up in the table only where the straight line between their ends leaves a chance.
"""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: C901, PLR0912, PLR0915, PLR0917, PLR1714, PLR1730, SIM102, SIM110, ARG001
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
OUT_U, OUT_V, IN_U, IN_V = 1, 2, 4, 8  # gates of a candidate


class Rules(NamedTuple):
    """Settings as numbers for the kernel; lengths in metres, times in seconds, `back_mm` in millimetres."""

    candidates: int
    far_m: float
    sigma_m: float
    sigma_floor_m: float
    sigma_cap_m: float
    sigma_prior: float
    beta_m: float
    beta_sigma: float
    beta_share: float
    huber: float
    uturn_m: float
    back_mm: int
    speed_mps: float
    search_factor: float
    search_m: float
    short: float
    beam: float
    margin: float
    oneway: bool
    near_sigma: float
    near_ms: int


class States(NamedTuple):
    """States of the fixes of one track: row per fix, column per candidate.

    Attributes:
        count: int32 (F,), candidates of a fix.
        seg: int32 (F, K), -1 for a node. node_u, node_v: int32 (F, K), ends (both the node itself for a node).
        to_u, to_v: int32 (F, K), mm from the ends. gate: uint8 (F, K), which ends may be left and entered.
        off: float32 (F, K), metres from the fix. x, y: float64 (F, K), the place.
        score: float32 (F, K), cost of the best history. back: int8 (F, K), candidate before, -1 at a start.
        way: int8 (F, K), SAME, ROUTE … how it was reached.
        label: int32 (F, K), direction on arrival (-1, 0, 1) on a segment; at a node the segment it came by, -1 unknown.
        pair: float32 (F, K, K), cost of the best history that goes through a pair: candidate before, candidate.
        prior: int32 (F,), the fix before that has candidates, -1 at a start of a chain.
    """

    count: npt.NDArray[np.int32]
    seg: npt.NDArray[np.int32]
    node_u: npt.NDArray[np.int32]
    node_v: npt.NDArray[np.int32]
    to_u: npt.NDArray[np.int32]
    to_v: npt.NDArray[np.int32]
    gate: npt.NDArray[np.uint8]
    off: npt.NDArray[np.float32]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    score: npt.NDArray[np.float32]
    back: npt.NDArray[np.int8]
    way: npt.NDArray[np.int8]
    label: npt.NDArray[np.int32]
    pair: npt.NDArray[np.float32]
    prior: npt.NDArray[np.int32]


def make_states(fixes: int, candidates: int) -> States:
    """Room for a track of so many fixes."""
    n, k = max(fixes, 1), candidates
    i4, f4 = np.int32, np.float32

    def room(dtype: type) -> np.ndarray:
        return np.zeros((n, k), dtype)

    return States(
        np.zeros(n, i4), room(i4), room(i4), room(i4), room(i4), room(i4), room(np.uint8), room(f4), room(np.float64),
        room(np.float64), room(f4), room(np.int8), room(np.int8), room(i4), np.zeros((n, k, k), f4), np.zeros(n, i4),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def candidates_of(
    plan: Plan, grid: Grid, px: float, py: float, radius: float, oneway: bool, i: int, out: States
) -> int:
    """Writes the nearest places within the radius to row i of `out`, nearest first; returns how many."""
    out_seg, out_off, out_x, out_y, out_u = out.seg, out.off, out.x, out.y, out.to_u
    most = out_seg.shape[1]
    piece, piece_seg, item = plan.piece, plan.piece_seg, grid.item
    column, row = int(np.floor((px - grid.x0) / grid.cell)), int(np.floor((py - grid.y0) / grid.cell))
    if column < 0 or row < 0 or column >= grid.columns or row >= grid.rows:
        return 0
    cell = row * grid.columns + column
    found = 0
    limit = radius * radius
    for k in range(grid.ptr[cell], grid.ptr[cell + 1]):
        q = item[k]
        dx, dy = piece[q, 2], piece[q, 3]
        ex, ey = px - piece[q, 0], py - piece[q, 1]
        share = min(1.0, max(0.0, (ex * dx + ey * dy) * piece[q, 6]))
        rx, ry = ex - share * dx, ey - share * dy
        d2 = rx * rx + ry * ry
        if d2 > limit:
            continue
        key = piece_seg[q]
        pos = np.int32(np.rint(piece[q, 4] + share * piece[q, 5]))
        if pos <= 0:
            key = -1 - plan.seg_u[key]
        elif pos >= plan.length_mm[key]:
            key = -1 - plan.seg_v[key]
        d = np.float32(np.sqrt(d2))
        end = found
        for m in range(found):
            if out_seg[i, m] == key:
                end = m
                break
        if end < found:
            if out_off[i, end] <= d:
                continue
        elif found < most:
            found += 1
        else:
            end = found - 1
            if out_off[i, end] <= d:
                continue
        while end > 0 and out_off[i, end - 1] > d:
            out_seg[i, end], out_u[i, end], out_off[i, end] = (
                out_seg[i, end - 1],
                out_u[i, end - 1],
                out_off[i, end - 1],
            )
            out_x[i, end], out_y[i, end] = out_x[i, end - 1], out_y[i, end - 1]
            end -= 1
        out_seg[i, end], out_u[i, end], out_off[i, end] = key, pos, d
        out_x[i, end], out_y[i, end] = px - rx, py - ry
    for m in range(found):
        key = out_seg[i, m]
        if key < 0:
            out_seg[i, m] = -1
            out.node_u[i, m] = out.node_v[i, m] = -1 - key
            out.to_u[i, m] = out.to_v[i, m] = 0
            out.gate[i, m] = OUT_U | IN_U
            continue
        out.node_u[i, m], out.node_v[i, m] = plan.seg_u[key], plan.seg_v[key]
        out.to_v[i, m] = plan.length_mm[key] - out_u[i, m]
        one = plan.oneway[key] if oneway else 0
        out.gate[i, m] = (OUT_V | IN_U if one >= 0 else 0) | (OUT_U | IN_V if one <= 0 else 0)
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


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def emission(off: float, sigma: float, huber: float) -> float:
    """Cost of a fix that lies `off` metres from its place."""
    z = off / sigma
    return 0.5 * z * z if z <= huber else huber * (z - 0.5 * huber)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _move(route_m: float, straight_m: float, top_m: float, beta: float, short: float) -> float:
    """Cost of a route between two fixes; `top_m` is what the time between them allows, `short` weighs what it lacks."""
    cost = (route_m - straight_m) / beta
    if cost < 0.0:
        cost *= -short
    return cost if route_m <= top_m else cost + 2.0 * (route_m - top_m) / (beta + 0.1 * top_m)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _length(table: Table, work: Scratch, searched: bool, source: int, target: int) -> int:
    """Length in mm of the path between two nodes, FAR where there is none."""
    if source == target:
        return 0
    if searched:
        return work.length[target] if work.mark[target] == work.state[0] + 1 else FAR
    k = find(table, source, target)
    return table.slot[k, 1] if k >= 0 else FAR


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _arrival(
    table: Table, arcs: Arcs, work: Scratch, states: States, searched: bool, i: int, b: int, s: int, source: int, way_in: int
) -> int:  # fmt: skip
    """Label of a state reached from the node `source`, which was reached by segment s."""
    if states.seg[i, b] >= 0:
        return 1 if way_in == 0 else -1
    target = states.node_u[i, b]
    if source == target:
        return s
    if searched:
        return work.last[target] >> 1
    return table.slot[find(table, source, target), 2] >> 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _within(
    states: States, i: int, j: int, a: int, b: int, emit: float, straight: float, top: float, beta: float, rules: Rules
) -> None:
    """The move within one segment from candidate a of fix j to candidate b of fix i."""
    moved = states.to_u[i, b] - states.to_u[j, a]
    was = states.label[j, a]
    toward = 1 if moved > 0 else (-1 if moved < 0 else was)
    gate = states.gate[i, b]
    barred = (toward == 1 and not gate & OUT_V) or (toward == -1 and not gate & OUT_U)
    turned = was != 0 and toward == -was
    cost = np.float64(states.score[j, a]) + emit
    full = np.float64(NOWHERE)
    if not barred:
        full = _move(abs(moved) * 1e-3, straight, top, beta, rules.short) + (rules.uturn_m / beta if turned else 0.0)
    if (barred or turned) and abs(moved) <= rules.back_mm:
        still = _move(0.0, straight, top, beta, rules.short)
        if still <= full:
            full = still
            toward = was if turned else -toward
    if full >= NOWHERE:
        return
    cost += full
    states.pair[i, a, b] = cost
    if cost < states.score[i, b]:
        states.score[i, b], states.back[i, b], states.way[i, b], states.label[i, b] = cost, a, SAME, toward


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _between(
    plan: Plan, arcs: Arcs, table: Table, work: Scratch, states: States, i: int, j: int, a: int, way_out: int,
    emit: npt.NDArray[np.float64], straight: float, top: float, beta: float, rules: Rules, searched: bool,
) -> None:  # fmt: skip
    """All routes from candidate a of fix j, left by one of its ends, to the candidates of fix i."""
    s = states.seg[j, a]
    source = states.node_v[j, a] if way_out else states.node_u[j, a]
    left = states.to_v[j, a] if way_out else states.to_u[j, a]
    label = states.label[j, a]
    turned = s >= 0 and label == (-1 if way_out else 1)
    base = np.float64(states.score[j, a])
    turn = rules.uturn_m / beta
    nx, ny = plan.node_x[source], plan.node_y[source]
    ready = False
    for b in range(states.count[i]):
        r = states.seg[i, b]
        if r == s and s >= 0:
            continue
        # moving back to a near end is noise
        noise = turned and r < 0 and left <= rules.back_mm and states.node_u[i, b] == source
        start = base + emit[b] + (turn if turned and not noise else 0.0)
        cut = np.float64(states.score[i, b]) + rules.margin
        ex, ey = states.x[i, b] - nx, states.y[i, b] - ny
        least = left * 1e-3 + np.sqrt(ex * ex + ey * ey) - 1.0
        if start + min(0.0, rules.short) * straight / beta >= cut or (
            least > straight and start + (least - straight) / beta >= cut
        ):
            continue
        if searched and not ready:
            search(arcs, source, int(1000 * (rules.search_factor * straight + rules.search_m)), work)
            ready = True
        gate = states.gate[i, b]
        first = 0
        if r >= 0:  # the likelier end first
            u, v = states.node_u[i, b], states.node_v[i, b]
            ux, uy, vx, vy = plan.node_x[u] - nx, plan.node_y[u] - ny, plan.node_x[v] - nx, plan.node_y[v] - ny
            by_u = np.sqrt(ux * ux + uy * uy) + states.to_u[i, b] * 1e-3
            by_v = np.sqrt(vx * vx + vy * vy) + states.to_v[i, b] * 1e-3
            first = 1 if by_v < by_u else 0
        for turn_no in range(2):
            way_in = first ^ turn_no
            if not gate & (IN_V if way_in else IN_U):
                continue
            if turn_no == 1:
                least = left * 1e-3 + (by_v if way_in else by_u) - 1.0
                if (
                    least > straight
                    and start + (least - straight) / beta >= np.float64(states.score[i, b]) + rules.margin
                ):
                    continue
            target = states.node_v[i, b] if way_in else states.node_u[i, b]
            d = _length(table, work, searched, source, target)
            if d == FAR:
                continue
            entry = states.to_v[i, b] if way_in else states.to_u[i, b]
            cost = start
            back = s < 0 and label >= 0 and label == r and d == 0
            toward = 0
            if back and entry <= rules.back_mm:
                toward = -1 if way_in == 0 else 1
            elif back:
                cost += turn
            cost += _move((left + np.int64(d) + entry) * 1e-3, straight, top, beta, rules.short)
            if cost < states.pair[i, a, b]:
                states.pair[i, a, b] = cost
            if cost >= states.score[i, b]:
                continue
            came = s if s >= 0 else label
            if came >= 0 and not turned and d > 0:  # a path that comes back through the segment left is a turn too
                behind = plan.seg_u[came] + plan.seg_v[came] - source
                other = _length(table, work, searched, source, behind)
                rest = _length(table, work, False, behind, target)
                if other != FAR and rest != FAR and d >= np.int64(other) + rest and other == plan.length_mm[came]:
                    cost += turn
                    if cost >= states.score[i, b]:
                        continue
            states.score[i, b], states.back[i, b] = cost, a
            states.way[i, b] = ROUTE + 2 * way_out + way_in + (SEARCHED if searched else 0)
            if toward == 0:
                toward = -1 if noise else _arrival(table, arcs, work, states, searched, i, b, s, source, way_in)
            states.label[i, b] = toward


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _step(
    plan: Plan, arcs: Arcs, table: Table, work: Scratch, states: States, i: int, j: int,
    emit: npt.NDArray[np.float64], straight: float, top: float, beta: float, rules: Rules, searched: bool,
    order: npt.NDArray[np.int64],
) -> bool:  # fmt: skip
    """All transitions from fix j to fix i; False where nothing is reached."""
    n, m = states.count[j], states.count[i]
    for b in range(m):
        states.score[i, b] = NOWHERE
        states.back[i, b] = -1
    for a in range(n):  # best first, so that the rest is cut early
        at = a
        while at > 0 and states.score[j, order[at - 1]] > states.score[j, a]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = a
    best = states.score[j, order[0]]
    for o in range(n):
        a = order[o]
        s = states.seg[j, a]
        for b in range(m):
            states.pair[i, a, b] = NOWHERE
            if s >= 0 and states.seg[i, b] == s:
                if states.score[j, a] < NOWHERE:
                    _within(states, i, j, a, b, emit[b], straight, top, beta, rules)
    for o in range(n):
        a = order[o]
        if states.score[j, a] > best + rules.beam:
            break
        gate = states.gate[j, a]
        first = 1 if states.label[j, a] > 0 and states.seg[j, a] >= 0 else 0
        for turn_no in range(2):
            way_out = first ^ turn_no
            if gate & (OUT_V if way_out else OUT_U):
                _between(
                    plan, arcs, table, work, states, i, j, a, way_out, emit, straight, top, beta, rules, searched
                )  # fmt: skip
    for b in range(m):
        if states.back[i, b] >= 0:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _start(states: States, i: int, emit: npt.NDArray[np.float64]) -> None:
    for b in range(states.count[i]):
        states.score[i, b] = emit[b]
        states.back[i, b] = -1
        states.way[i, b] = 0
        states.label[i, b] = 0 if states.seg[i, b] >= 0 else -1
    states.prior[i] = -1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def seek(
    plan: Plan, grid: Grid, radius: float, again: bool, states: States, rules: Rules,
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Writes the candidates of every fix of a track; with `again` only of those that have none yet."""
    for i in range(len(x)):
        if again and states.count[i] > 0:
            continue
        states.count[i] = candidates_of(plan, grid, x[i], y[i], radius, rules.oneway, i, states)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def thin(
    states: States, rules: Rules, sigma: float, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], t_in: npt.NDArray[np.int64],
    t_out: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    """Takes the candidates from fixes that come soon after the last one kept and so near that noise could have moved them.

    Errors of receivers are correlated over a minute: between fixes that lie closer than the noise it is the noise that moves, to and fro
    along the street. Newson & Krumm (2009) leave out what lies within two sigmas of the fix before. The last fix of a track is kept, and
    so are stays.
    """
    near = rules.near_sigma * (sigma - rules.sigma_floor_m)
    if near <= 0.0:
        return
    end = len(x) - 1
    while end >= 0 and states.count[end] == 0:
        end -= 1
    last = -1
    for i in range(end):
        if states.count[i] == 0:
            continue
        if last >= 0 and t_in[i] - t_out[last] < rules.near_ms and t_out[i] == t_in[i]:
            dx, dy = x[i] - x[last], y[i] - y[last]
            if dx * dx + dy * dy < near * near:
                states.count[i] = 0
                continue
        last = i


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def viterbi(
    plan: Plan, arcs: Arcs, table: Table, work: Scratch, states: States, rules: Rules, sigma: float,
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], t_in: npt.NDArray[np.int64], t_out: npt.NDArray[np.int64],
    emit: npt.NDArray[np.float64], order: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    """Fills `states` for one track whose candidates are written; `emit` and `order` are work space."""
    n = len(x)
    last = -1
    for i in range(n):
        if states.count[i] == 0:
            continue
        for b in range(states.count[i]):
            emit[b] = emission(states.off[i, b], sigma, rules.huber)
            if emit[b] > emit[0] + rules.beam:
                states.count[i] = b
                break
        if last < 0:
            _start(states, i, emit)
            last = i
            continue
        dx, dy = x[i] - x[last], y[i] - y[last]
        straight = np.sqrt(dx * dx + dy * dy)
        top = rules.speed_mps * (t_in[i] - t_out[last]) * 1e-3 + 30.0
        beta = max(rules.beta_m, rules.beta_sigma * sigma) + rules.beta_share * straight
        states.prior[i] = last
        searched = straight * 1500.0 > table.bound_mm
        done = False
        while True:
            done = _step(plan, arcs, table, work, states, i, last, emit, straight, top, beta, rules, searched, order)
            if done or searched:
                break
            searched = True
        if not done:
            _start(states, i, emit)
        best = states.score[i, 0]
        for b in range(1, states.count[i]):
            best = min(best, states.score[i, b])
        for b in range(states.count[i]):
            if states.score[i, b] < NOWHERE:
                states.score[i, b] -= best
        last = i
