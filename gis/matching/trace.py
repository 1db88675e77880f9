"""From the cheapest sequence of states to passes: whole millimetres, whole milliseconds, joined end to end."""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: C901, PLR0917, PLR2004
# mypy: ignore-errors
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from gis.matching.kernel import NOWHERE, ROUTE, SAME, SEARCHED, Rules, States
from gis.matching.paths import FAR, Arcs, Scratch, Table, find, search, sidetrack

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.matching.plan import Plan

IDLE_MS = 60_000  # a pause of this length ends a pass, so that times inside passes stay true


class Out(NamedTuple):
    """Columns of passes in canonical segments and directions, as in gis.model.Passes; `size` holds the number of rows."""

    seg: npt.NDArray[np.int32]
    from_mm: npt.NDArray[np.int32]
    to_mm: npt.NDArray[np.int32]
    enter: npt.NDArray[np.int64]
    leave: npt.NDArray[np.int64]
    track: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    seen: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.float32]
    size: npt.NDArray[np.int64]


class Legs(NamedTuple):
    """Stretches of one transition, in order; `size` holds their number."""

    seg: npt.NDArray[np.int32]
    from_mm: npt.NDArray[np.int32]
    to_mm: npt.NDArray[np.int32]
    arcs: npt.NDArray[np.int32]
    size: npt.NDArray[np.int64]


class Judgement(NamedTuple):
    """When a stretch is seen: longest gap of the device, least extra length of another way, longest pass."""

    gap_ms: int
    unique_mm: int
    unique_share: float
    pass_ms: int
    back_mm: int
    oneway: bool


def make_out(rows: int) -> Out:
    """Room for so many passes."""
    i4, i8 = np.int32, np.int64
    return Out(
        np.empty(rows, i4), np.empty(rows, i4), np.empty(rows, i4), np.empty(rows, i8), np.empty(rows, i8), np.empty(rows, i4),
        np.empty(rows, i8), np.empty(rows, i8), np.empty(rows, np.bool_), np.empty(rows, np.float32), np.zeros(1, i8),
    )  # fmt: skip


def make_legs(rows: int) -> Legs:
    """Room for the longest route of one transition."""
    return Legs(
        np.empty(rows + 4, np.int32), np.empty(rows + 4, np.int32), np.empty(rows + 4, np.int32),
        np.empty(rows + 4, np.int32), np.zeros(1, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def choose(states: States, n: int, chosen: npt.NDArray[np.int32]) -> None:
    """Writes the candidate of every fix on the cheapest sequence, -1 where a fix has none."""
    chosen[:n] = -1
    i = n - 1
    while i >= 0:
        if states.count[i] == 0:
            i -= 1
            continue
        best = 0
        for b in range(1, states.count[i]):
            if states.score[i, b] < states.score[i, best]:
                best = b
        b = best
        while True:
            chosen[i] = b
            before = np.int32(states.back[i, b])
            if before < 0:
                break
            i, b = states.prior[i], before
        i -= 1


@njit(cache=True, nogil=True)
def _leg(legs: Legs, seg: int, a: int, b: int) -> None:
    if a == b:
        return
    k = legs.size[0]
    legs.seg[k], legs.from_mm[k], legs.to_mm[k] = seg, a, b
    legs.size[0] = k + 1


@njit(cache=True, nogil=True)
def _path(
    arcs: Arcs, table: Table, work: Scratch, searched: bool, source: int, target: int, bound: int, legs: Legs
) -> int:
    """Writes the legs of the best path between two nodes; returns its slack in mm."""
    slack = np.int64(FAR)
    if source == target:
        return slack
    n, node = 0, target
    if searched:
        search(arcs, source, bound, work)
        while node != source:
            slack = min(slack, np.int64(sidetrack(arcs, node, work)))
            legs.arcs[n] = work.last[node]
            node = arcs.tail[work.last[node]]
            n += 1
    else:
        k = find(table, source, target)
        slack = np.int64(FAR) if table.slack[k] == 255 else np.int64(table.slack[k]) * 1000
        while True:
            arc = table.last[k]
            legs.arcs[n] = arc
            n += 1
            node = arcs.tail[arc]
            if node == source:
                break
            k = find(table, source, node)
    for m in range(n - 1, -1, -1):
        arc = legs.arcs[m]
        if arc & 1:
            _leg(legs, arc >> 1, arcs.length[arc], 0)
        else:
            _leg(legs, arc >> 1, 0, arcs.length[arc])
    return slack


@njit(cache=True, nogil=True)
def _rival(
    plan: Plan, table: Table, judge: Judgement, s: int, pos_s: int, r: int, pos_r: int, way: int, length: int
) -> int:  # fmt: skip
    """How much longer the best route is that leaves or enters by another end; FAR where the table has none."""
    best = np.int64(FAR)
    len_s, len_r = plan.length_mm[s], plan.length_mm[r]
    for other in range(4):
        way_out, way_in = other >> 1, other & 1
        if other == way:
            continue
        if judge.oneway and (
            (plan.oneway[s] > 0 and way_out == 0) or (plan.oneway[s] < 0 and way_out == 1)
            or (plan.oneway[r] > 0 and way_in == 1) or (plan.oneway[r] < 0 and way_in == 0)
        ):  # fmt: skip
            continue
        source = plan.seg_v[s] if way_out else plan.seg_u[s]
        target = plan.seg_v[r] if way_in else plan.seg_u[r]
        rest = (len_s - pos_s if way_out else pos_s) + (len_r - pos_r if way_in else pos_r)
        if rest >= length + judge.unique_mm + judge.unique_share * length:
            continue
        d = np.int64(0)
        if source != target:
            k = find(table, source, target)
            if k < 0:
                continue
            d = np.int64(table.slot[k, 1])
        # through the chosen ends and back again: no other way
        if way_out != way >> 1:
            back = plan.seg_u[s] if way_out else plan.seg_v[s]
            k = find(table, back, target) if back != target else -1
            through = np.int64(0) if back == target else (np.int64(table.slot[k, 1]) if k >= 0 else np.int64(FAR))
            if through != FAR and d >= through + len_s:
                continue
        if way_in != way & 1:
            front = plan.seg_u[r] if way_in else plan.seg_v[r]
            k = find(table, source, front) if source != front else -1
            through = np.int64(0) if source == front else (np.int64(table.slot[k, 1]) if k >= 0 else np.int64(FAR))
            if through != FAR and d >= through + len_r:
                continue
        best = min(best, rest + d - length)
    return best


@njit(cache=True, nogil=True)
def _append(
    out: Out, seg: int, a: int, b: int, enter: int, leave: int, track: int, first: int, last: int, seen: bool, sure: float,
    pass_ms: int, joined: bool,
) -> None:  # fmt: skip
    """Adds a stretch, to the pass before it where it goes on in the same direction."""
    k = out.size[0] - 1
    if (
        joined and k >= 0 and out.track[k] == track and out.seg[k] == seg and out.to_mm[k] == a and out.seen[k] == seen
        and (out.to_mm[k] > out.from_mm[k]) == (b > a)
        and enter - out.leave[k] < IDLE_MS and leave - out.enter[k] <= pass_ms
    ):  # fmt: skip
        old, new = abs(out.to_mm[k] - out.from_mm[k]), abs(b - a)
        out.sure[k] = (out.sure[k] * old + sure * new) / (old + new)
        out.to_mm[k], out.leave[k], out.last[k] = b, leave, last
        return
    k += 1
    out.seg[k], out.from_mm[k], out.to_mm[k], out.enter[k], out.leave[k] = seg, a, b, enter, leave
    out.track[k], out.first[k], out.last[k], out.seen[k], out.sure[k] = track, first, last, seen, sure
    out.size[0] = k + 1


@njit(cache=True, nogil=True)
def _sure(states: States, chosen: npt.NDArray[np.int32], i: int, j: int, k: int) -> float:
    """Probability that fix i lies on its chosen segment or its neighbours on the route, against its other candidates."""
    c = chosen[i]
    mine = states.score[i, c]
    total = 1.0
    for b in range(states.count[i]):
        s = states.seg[i, b]
        if b == c or states.score[i, b] >= NOWHERE:
            continue
        if (j >= 0 and s == states.seg[j, chosen[j]]) or (k >= 0 and s == states.seg[k, chosen[k]]):
            continue
        total += np.exp(min(20.0, mine - states.score[i, b]))
    return 1.0 / total


@njit(cache=True, nogil=True)
def _transition(
    plan: Plan, arcs: Arcs, table: Table, work: Scratch, states: States, rules: Rules, judge: Judgement, legs: Legs,
    i: int, b: int, straight: float, cursor: npt.NDArray[np.int64],
) -> int:  # fmt: skip
    """Legs from the cursor (segment, position, direction) to candidate b of fix i; returns the slack in mm, moves the cursor."""
    legs.size[0] = 0
    seg, pos, toward = cursor[0], cursor[1], cursor[2]
    way, target = np.int64(states.way[i, b]), np.int64(states.pos[i, b])
    if way == SAME:
        moved = target - pos
        one = plan.oneway[seg] if judge.oneway else 0
        back = (toward != 0 and moved * toward < 0) or (one != 0 and moved * one < 0)
        if moved != 0 and not (back and (abs(moved) <= judge.back_mm or one != 0)):
            _leg(legs, seg, pos, target)
            cursor[1], cursor[2] = target, (1 if moved > 0 else -1)
        return FAR
    searched = way >= SEARCHED
    turn = (way - SEARCHED if searched else way) - ROUTE
    way_out, way_in = turn >> 1, turn & 1
    r = states.seg[i, b]
    source = plan.seg_v[seg] if way_out else plan.seg_u[seg]
    node = plan.seg_v[r] if way_in else plan.seg_u[r]
    _leg(legs, seg, pos, plan.length_mm[seg] if way_out else 0)
    bound = int(1000 * (rules.search_factor * straight + rules.search_m))
    slack = np.int64(_path(arcs, table, work, searched, source, node, bound, legs))
    _leg(legs, r, plan.length_mm[r] if way_in else 0, target)
    length = np.int64(0)
    for k in range(legs.size[0]):
        length += abs(legs.to_mm[k] - legs.from_mm[k])
    slack = min(slack, np.int64(_rival(plan, table, judge, seg, pos, r, target, turn, length)))
    cursor[0], cursor[1], cursor[2] = r, target, (-1 if way_in else 1)
    return slack


@njit(cache=True, nogil=True)
def write(
    plan: Plan, arcs: Arcs, table: Table, work: Scratch, states: States, rules: Rules, judge: Judgement, legs: Legs,
    chosen: npt.NDArray[np.int32], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64],
    t_in: npt.NDArray[np.int64], t_out: npt.NDArray[np.int64], track: int, out: Out,
) -> bool:  # fmt: skip
    """Appends the passes of one track; False where `out` is full (then nothing of the track is kept)."""
    begin = out.size[0]
    cursor = np.zeros(3, np.int64)
    last, before = -1, -1
    sure_last = 1.0
    for i in range(len(x)):
        b = chosen[i]
        if b < 0:
            continue
        after = i + 1
        while after < len(x) and chosen[after] < 0:
            after += 1
        sure = _sure(states, chosen, i, last, after if after < len(x) else -1)
        if last < 0 or states.back[i, b] < 0:
            cursor[0], cursor[1], cursor[2] = states.seg[i, b], states.pos[i, b], 0
            last, sure_last = i, sure
            continue
        straight = np.hypot(x[i] - x[last], y[i] - y[last])
        slack = np.int64(_transition(plan, arcs, table, work, states, rules, judge, legs, i, b, straight, cursor))
        count, total = legs.size[0], np.int64(0)
        for k in range(count):
            total += abs(legs.to_mm[k] - legs.from_mm[k])
        if out.size[0] + count > len(out.seg):
            out.size[0] = begin
            return False
        gap = t_in[i] - t_out[last]
        seen = gap <= judge.gap_ms and slack >= judge.unique_mm + judge.unique_share * total
        beta = rules.beta_m + rules.beta_share * straight
        p = min(sure, sure_last) / (1.0 + np.exp(-min(slack * 1e-3 / beta, 40.0)))
        done = np.int64(0)
        for k in range(count):
            enter = t_out[last] + (gap * done + total // 2) // total
            done += abs(legs.to_mm[k] - legs.from_mm[k])
            leave = t_out[last] + (gap * done + total // 2) // total
            _append(
                out, legs.seg[k], legs.from_mm[k], legs.to_mm[k], enter, leave, track, t_out[last], t_in[i], seen, p,
                judge.pass_ms, out.size[0] > begin,
            )  # fmt: skip
        before = last
        last, sure_last = i, sure
    return before >= -1
