"""The compiled loops of `gis.coverage`; integers in, integers out. A loop that writes rows only counts them where its output is empty."""

# ruff: noqa: C901, PLR0917 (compiled loops: many arrays in, nested by nature)
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    I8 = npt.NDArray[np.int64]
    I4 = npt.NDArray[np.int32]
    F8 = npt.NDArray[np.float64]
    B1 = npt.NDArray[np.bool_]

BINS = 48  # steps of the length that may be missing without falling below the need


@njit(cache=True, nogil=True, inline="always")
def place(m0: int, m1: int, t0: int, t1: int, t: int) -> int:
    """Measure at time t of a pass from m0 at t0 to m1 at t1, rounded to the millimetre."""
    if t <= t0:
        return m0
    if t >= t1:
        return m1
    span = t1 - t0
    if m1 >= m0:
        return m0 + ((m1 - m0) * (t - t0) * 2 + span) // (2 * span)
    return m0 - ((m0 - m1) * (t - t0) * 2 + span) // (2 * span)


@njit(cache=True, nogil=True)
def emit_entitled(
    section: I4,
    m0: I8,
    m1: I8,
    enter: I8,
    leave: I8,
    device: I4,
    set_of: I4,
    first_row: I8,
    ptr: I8,
    ps: I8,
    pe: I8,
    pw: I8,
    role_of: I4,
    ent_ptr: I8,
    ent_s: I8,
    ent_e: I8,
    devices: int,
    out: I8,
) -> int:
    """Counts the pieces when `out` is empty, else writes them as rows (stroke, row, lo, hi, start, end)."""
    n = 0
    write = len(out) > 0
    for i in range(len(section)):
        k = section[i]
        s = set_of[k]
        if s < 0:
            continue
        t0, t1 = enter[i], leave[i]
        base = role_of[k] * devices + device[i]
        for e in range(ent_ptr[base], ent_ptr[base + 1]):
            if ent_s[e] > t1:
                break
            if ent_e[e] <= t0:
                continue
            for p in range(ptr[s], ptr[s + 1]):
                if ps[p] > t1:
                    break
                a = max(t0, ent_s[e], ps[p])
                b = min(t1, ent_e[e], pe[p])
                if a > b or (a == b and t0 != t1) or (a == b and (a >= pe[p] or a >= ent_e[e])):
                    continue
                if write:
                    x, y = place(m0[i], m1[i], t0, t1, a), place(m0[i], m1[i], t0, t1, b)
                    out[n, 0] = i
                    out[n, 1] = first_row[k] + pw[p] if first_row[k] >= 0 else -1
                    out[n, 2] = min(x, y)
                    out[n, 3] = max(x, y)
                    out[n, 4] = a
                    out[n, 5] = b
                n += 1
    return n


@njit(cache=True, nogil=True)
def emit_responsible(
    section: I4,
    m0: I8,
    m1: I8,
    enter: I8,
    leave: I8,
    device: I4,
    set_of: I4,
    first_row: I8,
    ptr: I8,
    ps: I8,
    pe: I8,
    pw: I8,
    car_ptr: I8,
    car_p: I8,
    car_s: I8,
    car_e: I8,
    res_ptr: I8,
    res_p: I8,
    res_s: I8,
    res_e: I8,
    out: I8,
) -> int:
    """As `_emit_entitled`, for the time in which a person responsible for the section carried the device."""
    n = 0
    write = len(out) > 0
    for i in range(len(section)):
        k = section[i]
        s = set_of[k]
        if s < 0 or res_ptr[k] == res_ptr[k + 1]:
            continue
        t0, t1 = enter[i], leave[i]
        for c in range(car_ptr[device[i]], car_ptr[device[i] + 1]):
            if car_s[c] > t1 or car_e[c] <= t0:
                continue
            for r in range(res_ptr[k], res_ptr[k + 1]):
                if res_p[r] != car_p[c] or res_s[r] > t1 or res_e[r] <= t0:
                    continue
                for p in range(ptr[s], ptr[s + 1]):
                    if ps[p] > t1:
                        break
                    a = max(t0, car_s[c], res_s[r], ps[p])
                    b = min(t1, car_e[c], res_e[r], pe[p])
                    if a > b or (a == b and t0 != t1) or (a == b and (a >= pe[p] or a >= car_e[c] or a >= res_e[r])):
                        continue
                    if write:
                        x, y = place(m0[i], m1[i], t0, t1, a), place(m0[i], m1[i], t0, t1, b)
                        out[n, 0] = i
                        out[n, 1] = first_row[k] + pw[p]
                        out[n, 2] = min(x, y)
                        out[n, 3] = max(x, y)
                        out[n, 4] = a
                        out[n, 5] = b
                    n += 1
    return n


@njit(cache=True, nogil=True)
def union_rows(order: I8, row: I8, lo: I8, hi: I8, ok: B1, rows: int) -> tuple[I8, I8]:
    """See `gis.coverage.union_mm`."""
    total = np.zeros(rows, dtype=np.int64)
    count = np.zeros(rows, dtype=np.int64)
    at, reach = -1, 0
    for j in order:
        if not ok[j] or row[j] < 0:
            continue
        r = row[j]
        if r != at:
            at = r
            reach = lo[j]
        start = max(lo[j], reach)
        if hi[j] > start:
            total[r] += hi[j] - start
            reach = hi[j]
        count[r] += 1
    return total, count


@njit(cache=True, nogil=True)
def probability(order: I8, row: I8, lo: I8, hi: I8, doubt: I8, ok: B1, need: I8, rows: int, scale: float) -> F8:
    """See `gis.coverage.covered_probability`."""
    out = np.zeros(rows)
    n = len(order)
    j = 0
    while j < n:
        r = row[order[j]]
        k = j
        while k < n and row[order[k]] == r:
            k += 1
        if r >= 0:
            m = 0
            for q in range(j, k):
                if ok[order[q]]:
                    m += 1
            if m:
                at = np.empty(2 * m, dtype=np.int64)
                step = np.empty(2 * m, dtype=np.int64)
                m = 0
                for q in range(j, k):
                    o = order[q]
                    if ok[o]:
                        at[m], step[m] = lo[o], doubt[o]
                        at[m + 1], step[m + 1] = hi[o], -doubt[o]
                        m += 2
                out[r] = reaches(at, step, need[r], scale)
        j = k
    return out


@njit(cache=True, nogil=True)
def reaches(at: I8, step: I8, need: I8, scale: float) -> float:
    """Probability that the stretches whose doubt is swept add up to `need`."""
    by = np.argsort(at)
    n = len(by)
    length = np.empty(n, dtype=np.int64)
    lost = np.empty(n)
    total, stretches, level, q = 0, 0, 0, 0
    begin = at[by[0]]
    while q < n:
        x = at[by[q]]
        change = 0
        while q < n and at[by[q]] == x:
            change += step[by[q]]
            q += 1
        if change != 0:
            if level > 0 and x > begin:
                length[stretches] = x - begin
                lost[stretches] = np.exp(-level / scale)
                total += x - begin
                stretches += 1
            begin = x
            level += change
    slack = total - need
    if slack < 0:
        return 0.0
    chance = np.zeros(BINS + 1)
    chance[0] = 1.0
    for i in range(stretches):
        units = BINS + 1 if slack == 0 else (2 * BINS * length[i] + slack) // (2 * slack)
        for u in range(BINS, -1, -1):
            back = chance[u - units] if u >= units else 0.0
            chance[u] = chance[u] * (1.0 - lost[i]) + back * lost[i]
    return float(chance.sum())


@njit(cache=True, nogil=True)
def emit_events(
    section: I4,
    m0: I8,
    m1: I8,
    enter: I8,
    leave: I8,
    device: I4,
    ok: B1,
    set_of: I4,
    ptr: I8,
    ps: I8,
    pe: I8,
    role_of: I4,
    ent_ptr: I8,
    ent_s: I8,
    ent_e: I8,
    devices: int,
    prun: I8,
    cell_ptr: I8,
    centre: I8,
    out_cell: I8,
    out_t: I8,
    out_run: I8,
    out_stroke: I8,
) -> int:
    """Writes the moments at which counting passes cross cell centres; returns their number, or an upper bound where the output is empty."""
    n = 0
    write = len(out_cell) > 0
    for i in range(len(section)):
        k = section[i]
        s = set_of[k]
        if s < 0 or not ok[i]:
            continue
        base = role_of[k] * devices + device[i]
        first, last = ent_ptr[base], ent_ptr[base + 1]
        if first == last:
            continue
        lo, hi = min(m0[i], m1[i]), max(m0[i], m1[i])
        mine = centre[cell_ptr[k] : cell_ptr[k + 1]]
        c = cell_ptr[k] + np.searchsorted(mine, lo)
        stop = cell_ptr[k] + np.searchsorted(mine, hi, side="right")
        if not write:
            n += stop - c
            continue
        span = leave[i] - enter[i]
        for x in range(c, stop):
            t = leave[i] if lo == hi else enter[i] + (span * abs(centre[x] - m0[i]) * 2 + hi - lo) // (2 * (hi - lo))
            hit = False
            for e in range(first, last):
                if ent_s[e] <= t < ent_e[e]:
                    hit = True
                    break
            if not hit:
                continue
            for p in range(ptr[s], ptr[s + 1]):
                if ps[p] <= t < pe[p]:
                    out_cell[n] = x
                    out_t[n] = t
                    out_run[n] = prun[p]
                    out_stroke[n] = i
                    n += 1
                    break
    return n


@njit(cache=True, nogil=True)
def sort_events(
    group: I8, run: I8, t: I8, cell: I8, groups: int, first: int, t_bits: int, cell_bits: int
) -> tuple[I8, I8, I8, I8]:
    """See `gis.coverage.sort_events`."""
    n = len(group)
    at = np.zeros(groups + 1, dtype=np.int64)
    for j in range(n):
        at[group[j] + 1] += 1
    for i in range(groups):
        at[i + 1] += at[i]
    key = np.empty(n, dtype=np.int64)
    nxt = at.copy()
    for j in range(n):
        g = group[j]
        key[nxt[g]] = (((run[j] << t_bits) | (t[j] - first)) << cell_bits) | cell[j]
        nxt[g] += 1
    out = np.empty((4, n), dtype=np.int64)
    t_mask, cell_mask = (1 << t_bits) - 1, (1 << cell_bits) - 1
    for g in range(groups):
        if at[g] == at[g + 1]:
            continue
        key[at[g] : at[g + 1]].sort()
        for q in range(at[g], at[g + 1]):
            k = key[q]
            out[0, q] = g
            out[1, q] = k >> (t_bits + cell_bits)
            out[2, q] = ((k >> cell_bits) & t_mask) + first
            out[3, q] = k & cell_mask
    return out[0], out[1], out[2], out[3]


@njit(cache=True, nogil=True)
def bucket(item: I8, t: I8, items: int) -> tuple[I8, I8]:
    """Items and times put in order of item, keeping the order within an item."""
    at = np.zeros(items + 1, dtype=np.int64)
    for i in item:
        at[i + 1] += 1
    for i in range(items):
        at[i + 1] += at[i]
    out_item, out_t = np.empty_like(item), np.empty_like(t)
    for j in range(len(item)):
        q = at[item[j]]
        out_item[q], out_t[q] = item[j], t[j]
        at[item[j]] = q + 1
    return out_item, out_t


@njit(cache=True, nogil=True)
def rounds(group: I8, run: I8, t: I8, cell: I8, weight: I8, target: I8, done: I8) -> tuple[int, I8]:
    """Completed rounds as rows (group, completed, started); counts only when `done` is empty. Events sorted by (group, run, t, cell)."""
    stamp = np.zeros(len(weight), dtype=np.int64)
    share = np.zeros(len(target), dtype=np.int64)
    mark, n, acc, began = 0, 0, 0, 0
    for j in range(len(group)):
        g = group[j]
        if j == 0 or g != group[j - 1] or run[j] != run[j - 1]:
            mark += 1
            acc = 0
            share[g] = 0
        c = cell[j]
        if stamp[c] == mark:
            continue
        if acc == 0:
            began = t[j]
        stamp[c] = mark
        acc += weight[c]
        if acc >= target[g] and target[g] > 0:
            if len(done) > 0:
                done[n, 0] = g
                done[n, 1] = t[j]
                done[n, 2] = began
            n += 1
            mark += 1
            acc = 0
        share[g] = acc
    return n, share


@njit(cache=True, nogil=True)
def gaps(item: I8, t: I8, item_set: I4, ptr: I8, ps: I8, pe: I8, prun: I8, limit: I8, items: int) -> tuple[I8, I8, I8]:
    """See `gis.coverage.gaps`; events sorted by (item, t)."""
    longest = np.zeros(items, dtype=np.int64)
    inside = np.zeros(items, dtype=np.int64)
    hits = np.zeros(items, dtype=np.int64)
    j = 0
    for c in range(items):
        s = item_set[c]
        while j < len(item) and item[j] < c:
            j += 1
        if s < 0:
            continue
        since, run = 0, -1
        for p in range(ptr[s], ptr[s + 1]):
            if prun[p] != run:
                if run >= 0:
                    longest[c] = max(longest[c], since)
                    inside[c] += min(since, limit[s])
                run, since = prun[p], 0
            at = ps[p]
            while j < len(item) and item[j] == c and t[j] < pe[p]:
                if t[j] >= ps[p]:
                    since += t[j] - at
                    at = t[j]
                    longest[c] = max(longest[c], since)
                    inside[c] += min(since, limit[s])
                    since = 0
                    hits[c] += 1
                j += 1
            since += pe[p] - at
        if run >= 0:
            longest[c] = max(longest[c], since)
            inside[c] += min(since, limit[s])
    return longest, inside, hits


@njit(cache=True, nogil=True)
def holes(group: I8, lo: I8, hi: I8, at_lo: I8, at_hi: I8, at_group: I8, out: I8) -> int:
    """See `gis.coverage.holes`; visited stretches sorted by (group, lo). Counts only when `out` is empty."""
    n = 0
    first = np.searchsorted(group, at_group)
    for i in range(len(at_group)):
        at = at_lo[i]
        j = first[i]
        while j < len(group) and group[j] == at_group[i] and lo[j] < at_hi[i] and at < at_hi[i]:
            if hi[j] > at:
                if lo[j] > at:
                    if len(out) > 0:
                        out[n, 0] = i
                        out[n, 1] = at
                        out[n, 2] = lo[j]
                    n += 1
                at = hi[j]
            j += 1
        if at < at_hi[i]:
            if len(out) > 0:
                out[n, 0] = i
                out[n, 1] = at
                out[n, 2] = at_hi[i]
            n += 1
    return n
