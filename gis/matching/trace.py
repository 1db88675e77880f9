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


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def choose(states: States, n: int, chosen: npt.NDArray[np.int32], ahead: npt.NDArray[np.float32]) -> None:
    """Writes the candidate of every fix on the cheapest sequence, -1 where a fix has none.

    Then replaces every score by its margin: how much dearer the cheapest whole sequence through that state is than the cheapest of all
    (max-marginals, from a pass backwards over the pairs kept). `ahead` is work space of two rows.
    """
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
        for c in range(states.count[i]):
            ahead[0, c] = 0.0
        while True:
            chosen[i] = b
            before = np.int32(states.back[i, b])
            if before < 0:
                break
            j = states.prior[i]
            least = NOWHERE
            for a in range(states.count[j]):
                through = NOWHERE
                for c in range(states.count[i]):
                    through = min(through, states.pair[i, a, c] + ahead[0, c])
                ahead[1, a] = through
                least = min(least, through)
            for a in range(states.count[j]):
                margin = ahead[1, a] - least
                ahead[0, a] = min(NOWHERE, margin - states.score[j, a])
                states.score[j, a] = margin
            i, b = j, before
        i -= 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _leg(legs: Legs, seg: int, a: int, b: int) -> None:
    if a == b:
        return
    k = legs.size[0]
    legs.seg[k], legs.from_mm[k], legs.to_mm[k] = seg, a, b
    legs.size[0] = k + 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
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
        slack = np.int64(FAR) if table.slot[k, 3] == 255 else np.int64(table.slot[k, 3]) * 1000
        while True:
            arc = table.slot[k, 2]
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


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _between(table: Table, source: int, target: int) -> int:
    """Length of the path between two nodes by the table, FAR where it has none."""
    if source == target:
        return 0
    k = find(table, source, target)
    return np.int64(table.slot[k, 1]) if k >= 0 else np.int64(FAR)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _rival(
    table: Table, judge: Judgement, states: States, j: int, a: int, i: int, b: int, way: int, length: int
) -> int:
    """How much longer the best route is that leaves or enters by another end; FAR where the table has none."""
    best = np.int64(FAR)
    limit = length + judge.unique_mm + judge.unique_share * length
    for other in range(4):
        way_out, way_in = other >> 1, other & 1
        if (
            other == way
            or not states.gate[j, a] & (2 if way_out else 1)
            or not states.gate[i, b] & (8 if way_in else 4)
        ):
            continue
        source = states.node_v[j, a] if way_out else states.node_u[j, a]
        target = states.node_v[i, b] if way_in else states.node_u[i, b]
        rest = (states.to_v[j, a] if way_out else states.to_u[j, a]) + (
            states.to_v[i, b] if way_in else states.to_u[i, b]
        )
        if rest >= limit:
            continue
        d = np.int64(_between(table, source, target))
        if d == FAR or rest + d >= limit:
            continue
        # through the chosen ends and back again: no other way
        if way_out != way >> 1:
            through = np.int64(_between(table, states.node_u[j, a] if way_out else states.node_v[j, a], target))
            if through != FAR and d >= through + states.to_u[j, a] + states.to_v[j, a]:
                continue
        if way_in != way & 1:
            through = np.int64(_between(table, source, states.node_u[i, b] if way_in else states.node_v[i, b]))
            if through != FAR and d >= through + states.to_u[i, b] + states.to_v[i, b]:
                continue
        best = min(best, rest + d - length)
    return best


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _turn_back(out: Out, begin: int, seg: int, a: int, b: int, leave: int, last: int, back_mm: int) -> bool:
    """Takes back a short move against the direction before and after it (noise); False where the last pass is none."""
    k = out.size[0] - 1
    if k < begin or out.seg[k] != seg or out.to_mm[k] != a:
        return False
    f = out.from_mm[k]
    if abs(a - f) > back_mm or (a > f) == (b > a):
        return False
    along = (
        k > begin
        and out.seg[k - 1] == seg
        and out.to_mm[k - 1] == f
        and (out.to_mm[k - 1] > out.from_mm[k - 1]) == (b > a)
    )
    if not along and k > begin:
        return False
    over = (b - f) if b > a else (f - b)
    if over == 0:
        if not along:
            return False
        out.size[0] = k
        out.leave[k - 1], out.last[k - 1] = leave, last
    elif over > 0 and along:
        out.size[0] = k
        out.to_mm[k - 1], out.leave[k - 1], out.last[k - 1] = b, leave, last
    else:
        out.to_mm[k], out.leave[k], out.last[k] = b, leave, last
    return True


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _append(
    out: Out, begin: int, seg: int, a: int, b: int, enter: int, leave: int, track: int, first: int, last: int, seen: bool,
    sure: float, judge: Judgement,
) -> None:  # fmt: skip
    """Adds a stretch, to the pass before it where it goes on in the same direction."""
    if _turn_back(out, begin, seg, a, b, leave, last, judge.back_mm):
        return
    k = out.size[0] - 1
    if (
        k >= begin and out.seg[k] == seg and out.to_mm[k] == a and out.seen[k] == seen
        and (out.to_mm[k] > out.from_mm[k]) == (b > a)
        and enter - out.leave[k] < IDLE_MS and leave - out.enter[k] <= judge.pass_ms
    ):  # fmt: skip
        old, new = abs(out.to_mm[k] - out.from_mm[k]), abs(b - a)
        out.sure[k] = (out.sure[k] * old + sure * new) / (old + new)
        out.to_mm[k], out.leave[k], out.last[k] = b, leave, last
        return
    k += 1
    out.seg[k], out.from_mm[k], out.to_mm[k], out.enter[k], out.leave[k] = seg, a, b, enter, leave
    out.track[k], out.first[k], out.last[k], out.seen[k], out.sure[k] = track, first, last, seen, sure
    out.size[0] = k + 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _sure(states: States, chosen: npt.NDArray[np.int32], i: int, j: int, k: int) -> float:
    """Probability that fix i lies on its chosen segment or its neighbours on the route, against its other candidates.

    Scores are margins here; a node is no rival of the segments that end in it.
    """
    c = chosen[i]
    total = 1.0
    for b in range(states.count[i]):
        margin = states.score[i, b]
        if b == c or margin > 12.0:
            continue
        s = states.seg[i, b]
        if s < 0:
            node = states.node_u[i, b]
            if node == states.node_u[i, c] or node == states.node_v[i, c]:
                continue
        elif (j >= 0 and s == states.seg[j, chosen[j]]) or (k >= 0 and s == states.seg[k, chosen[k]]):
            continue
        total += np.exp(-margin)
    return 1.0 / total


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _transition(
    arcs: Arcs, table: Table, work: Scratch, states: States, rules: Rules, judge: Judgement, legs: Legs,
    j: int, a: int, i: int, b: int, straight: float,
) -> int:  # fmt: skip
    """Legs from candidate a of fix j to candidate b of fix i; returns the slack in mm."""
    legs.size[0] = 0
    way = np.int64(states.way[i, b])
    if way == SAME:
        _leg(legs, states.seg[j, a], states.to_u[j, a], states.to_u[i, b])
        return FAR
    searched = way >= SEARCHED
    turn = (way - SEARCHED if searched else way) - ROUTE
    way_out, way_in = turn >> 1, turn & 1
    source = states.node_v[j, a] if way_out else states.node_u[j, a]
    target = states.node_v[i, b] if way_in else states.node_u[i, b]
    if states.seg[j, a] >= 0:
        _leg(legs, states.seg[j, a], states.to_u[j, a], states.to_u[j, a] + states.to_v[j, a] if way_out else 0)
    bound = int(1000 * (rules.search_factor * straight + rules.search_m))
    slack = np.int64(_path(arcs, table, work, searched, source, target, bound, legs))
    if states.seg[i, b] >= 0:
        _leg(legs, states.seg[i, b], states.to_u[i, b] + states.to_v[i, b] if way_in else 0, states.to_u[i, b])
    length = np.int64(0)
    for k in range(legs.size[0]):
        length += abs(legs.to_mm[k] - legs.from_mm[k])
    if states.seg[j, a] < 0 and states.seg[i, b] < 0:
        return slack
    return min(slack, np.int64(_rival(table, judge, states, j, a, i, b, turn, length)))


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def write(
    arcs: Arcs, table: Table, work: Scratch, states: States, rules: Rules, judge: Judgement, legs: Legs,
    chosen: npt.NDArray[np.int32], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64],
    t_in: npt.NDArray[np.int64], t_out: npt.NDArray[np.int64], track: int, sigma: float, out: Out,
) -> bool:  # fmt: skip
    """Appends the passes of one track; False where `out` is full (then nothing of the track is kept)."""
    begin = out.size[0]
    last = -1
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
            last, sure_last = i, sure
            continue
        dx, dy = x[i] - x[last], y[i] - y[last]
        straight = np.sqrt(dx * dx + dy * dy)
        slack = np.int64(_transition(arcs, table, work, states, rules, judge, legs, last, chosen[last], i, b, straight))
        count, total = legs.size[0], np.int64(0)
        for k in range(count):
            total += abs(legs.to_mm[k] - legs.from_mm[k])
        if out.size[0] + count > len(out.seg):
            out.size[0] = begin
            return False
        gap = t_in[i] - t_out[last]
        seen = gap <= judge.gap_ms and slack >= judge.unique_mm + judge.unique_share * total
        p = min(sure, sure_last)
        if slack < FAR:
            beta = max(rules.beta_m, rules.beta_sigma * sigma) + rules.beta_share * straight
            p /= 1.0 + np.exp(-min(slack * 1e-3 / beta, 40.0))
        done = np.int64(0)
        for k in range(count):
            enter = t_out[last] + (gap * done + total // 2) // total
            done += abs(legs.to_mm[k] - legs.from_mm[k])
            leave = t_out[last] + (gap * done + total // 2) // total
            _append(
                out, begin, legs.seg[k], legs.from_mm[k], legs.to_mm[k], enter, leave, track, t_out[last], t_in[i], seen, p,
                judge,
            )  # fmt: skip
        last, sure_last = i, sure
    return True
