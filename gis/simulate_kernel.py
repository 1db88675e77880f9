"""Compiled movement over a graph in compressed rows. Rows out: segment, from_mm, to_mm, enter_ms, leave_ms (float64)."""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917
# mypy: ignore-errors
import heapq

import numpy as np
from numba import njit


@njit(cache=True)
def _next(state):
    """One step of splitmix64 (Steele, Lea, Flood 2014): new state and a uniform number in [0, 1)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, np.float64(z >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True)
def _emit(rows, arc, length_mm, clock, speed_mps, spread, stop_share, stop_lo, stop_hi, state):
    """Pass one arc, with a stop somewhere on it now and then; metres a second are millimetres a millisecond."""
    state, a = _next(state)
    state, b = _next(state)
    normal = np.sqrt(-2.0 * np.log(1.0 - a)) * np.cos(2.0 * np.pi * b)
    speed = speed_mps * np.exp(spread * normal - 0.5 * spread * spread)
    seg = arc // 2
    begin, end = (0, length_mm) if arc % 2 == 0 else (length_mm, 0)
    state, dice = _next(state)
    if dice < stop_share and length_mm > 1:
        state, where = _next(state)
        state, long = _next(state)
        mid = min(max(np.int64(where * length_mm), 1), length_mm - 1)
        reached = clock + abs(mid - begin) / speed
        rows.append((float(seg), float(begin), float(mid), clock, reached))
        clock = reached + stop_lo + long * (stop_hi - stop_lo)
        rows.append((float(seg), float(mid), float(end), clock, clock + abs(end - mid) / speed))
        clock += abs(end - mid) / speed
    else:
        rows.append((float(seg), float(begin), float(end), clock, clock + length_mm / speed))
        clock += length_mm / speed
    return clock, state


@njit(cache=True)
def _table(rows):
    out = np.empty((len(rows), 5))
    for i in range(len(rows)):
        for j, value in enumerate(rows[i]):
            out[i, j] = value
    return out


@njit(cache=True)
def random_walk(ptr, arcs, heads, length_mm, node, start_ms, duration_ms, speed_mps, spread, stop_share, seed):
    """Roam from a node until the time is over, turning back only where nothing else leads on."""
    rows = [(0.0, 0.0, 0.0, 0.0, 0.0)]
    rows.pop()
    clock, state, came = start_ms, seed, -1
    while clock < start_ms + duration_ms:
        lo, hi = ptr[node], ptr[node + 1]
        choices = 0
        for i in range(lo, hi):
            if arcs[i] != came:
                choices += 1
        state, dice = _next(state)
        pick, left = lo, np.int64(dice * max(choices, 1))
        for i in range(lo, hi):
            if choices > 0 and arcs[i] == came:
                continue
            pick = i
            if left == 0:
                break
            left -= 1
        arc = arcs[pick]
        clock, state = _emit(rows, arc, length_mm[arc // 2], clock, speed_mps, spread, stop_share, 20e3, 180e3, state)
        came, node = arc ^ 1, heads[pick]
    return _table(rows)


@njit(cache=True)
def _open_arc(ptr, arcs, node, todo, came):
    """Index of an arc from this node whose segment is still to be passed, not the way back if another is left; -1 for none."""
    found = -1
    for i in range(ptr[node], ptr[node + 1]):
        if todo[arcs[i] // 2]:
            found = i
            if arcs[i] != came:
                return i
    return found


@njit(cache=True)
def _nearest_open(ptr, arcs, heads, length_mm, node, todo, dist, via, tail):
    """Dijkstra to the nearest node with something still to pass: the indices of the arcs there, in order; empty when none is reached."""
    touched = [node]
    dist[node] = 0
    via[node] = -1
    heap = [(np.int64(0), np.int64(node))]
    goal = -1
    while len(heap) > 0:
        d, n = heapq.heappop(heap)
        if d > dist[n]:
            continue
        if n != node and _open_arc(ptr, arcs, n, todo, -1) >= 0:
            goal = n
            break
        for i in range(ptr[n], ptr[n + 1]):
            m, new = heads[i], d + length_mm[arcs[i] // 2]
            if new < dist[m]:
                if dist[m] == np.iinfo(np.int64).max:
                    touched.append(m)
                dist[m], via[m], tail[m] = new, i, n
                heapq.heappush(heap, (np.int64(new), np.int64(m)))
    back = [np.int64(0)]
    back.pop()
    while goal != -1 and via[goal] != -1:
        back.append(via[goal])
        goal = tail[goal]
    for n in touched:
        dist[n] = np.iinfo(np.int64).max
    return back[::-1]


@njit(cache=True)
def cover_tour(  # noqa: C901 (one loop, compiled: calls cannot share its state cheaply)
    ptr, arcs, heads, seg_u, seg_v, length_mm, wanted, node, start_ms, end_ms, rounds, speed_mps, spread, stop_share,
    stop_lo, stop_hi, seed,
):  # fmt: skip
    """Pass every wanted segment, nearest first, in rounds until the time is over; returns the rows and the node reached."""
    rows = [(0.0, 0.0, 0.0, 0.0, 0.0)]
    rows.pop()
    count = 0
    for s in range(len(wanted)):
        if wanted[s]:
            count += 1
            if node < 0:
                node = np.int64(seg_u[s]) if _open_arc(ptr, arcs, seg_u[s], wanted, -1) >= 0 else np.int64(seg_v[s])
    if count == 0:
        return _table(rows), node
    dist = np.full(len(ptr) - 1, np.iinfo(np.int64).max)
    via, tail = np.full(len(ptr) - 1, np.int64(-1)), np.full(len(ptr) - 1, np.int64(-1))
    todo, left, done, came, clock, state = wanted.copy(), count, 0, -1, start_ms, seed
    while clock < end_ms:
        straight = _open_arc(ptr, arcs, node, todo, came)
        path = [np.int64(straight)]
        if straight < 0 and left > 0:
            path = _nearest_open(ptr, arcs, heads, length_mm, node, todo, dist, via, tail)
        if left == 0 or len(path) == 0:
            done += 1
            if left == count or done == rounds:
                break
            todo, left = wanted.copy(), count
            continue
        for i in path:
            arc = arcs[i]
            clock, state = _emit(
                rows, arc, length_mm[arc // 2], clock, speed_mps, spread, stop_share, stop_lo, stop_hi, state
            )
            came, node = arc ^ 1, np.int64(heads[i])
            if todo[arc // 2]:
                todo[arc // 2] = False
                left -= 1
            if clock >= end_ms:
                break
    return _table(rows), node


@njit(cache=True)
def markov_errors(device_ix, t_ms, tau_ms, shock):
    """Unit-variance AR(1) of every device from white shocks of shape (F, 2)."""
    out = np.empty_like(shock)
    for i in range(len(t_ms)):
        rho = 0.0
        if i > 0 and device_ix[i] == device_ix[i - 1] and tau_ms > 0.0:
            rho = np.exp(-(t_ms[i] - t_ms[i - 1]) / tau_ms)
        for k in range(2):
            before = out[i - 1, k] if rho > 0.0 else 0.0
            out[i, k] = np.sqrt(1.0 - rho * rho) * shock[i, k] + rho * before
    return out
