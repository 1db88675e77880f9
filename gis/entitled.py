"""Where nobody answers for a section: who else might have patrolled it in a window, and how much while nobody heard them.

Whether a window was missed is judged there by everybody entitled who was on duty: persons of the rule's roles, those of the section's unit
where any of them was on duty, and devices that count though nobody carried them. How much of the section the silent ones among them
can have patrolled is confined as for those who answer (`gis.reach`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from gis.answerable import person_speeds, window_pieces
from gis.calendar import intersect, total_ms, union
from gis.crew import column_text, overlap_ms
from gis.reach import section_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from gis.calendar import Interval
    from gis.crew import Crew
    from gis.network.model import Network
    from gis.road_plan import RoadPlan
    from gis.silence import Silence
    from gis.standard import Standard

    F8 = npt.NDArray[np.float64]
    I8 = npt.NDArray[np.int64]

_LOOSE = ("", None)  # role and unit under which devices stand that count though nobody carried them
_AT_ONCE = 1_000_000  # pairs of a section and a silence in memory


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """Of N rows (a section in a window): those entitled who were on duty, whoever answers for the section.

    Attributes:
        count: int64 (N,), persons and devices; 0 in rows that were not asked about.
        silent_ms: int64 (N,), time unheard that they can have spent at the section, all together.
        reach_mm: int64 (N,), length that can have been patrolled in it.
        speed_mm_s: int64 (N,), fastest patrol speed among them (0 where nobody).
        seen_ms: int64 (N,), their time on duty and not unheard.
    """

    count: I8
    silent_ms: I8
    reach_mm: I8
    speed_mm_s: I8
    seen_ms: I8


@dataclass(frozen=True, slots=True)
class _Member:
    """One who may have patrolled: when on duty, when unheard, how fast at most."""

    duty: Sequence[Interval]
    silences: Sequence[Silence]
    limit_ms: int
    speed_mm_s: int


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """What of whose silence lies in which window of a set.

    Attributes:
        window, silence: int64 (M,), place in the set, and in the columns below.
        start_ms, end_ms: int64 (M,).
        left, back: float64 (S, 3), time (ms) and place (metres) of the fix before and after each silence; NaN where unknown.
        speed_mm_s: int64 (S,).
    """

    window: I8
    silence: I8
    start_ms: I8
    end_ms: I8
    left: F8
    back: F8
    speed_mm_s: I8


def others_on_duty(
    network: Network, crew: Crew, standard: Standard, plan: RoadPlan, rows: npt.NDArray[np.bool_]
) -> Others:
    """Those entitled who were on duty, for some rows of a plan.

    Args:
        network: where the sections lie.
        crew: with its silences and loose devices.
        standard: roles of the rules, patrol speeds, `measure.place_error_m`.
        plan: windows of the sections.
        rows: bool (N,), rows to look at.
    """
    n = plan.rows
    out = Others(*(np.zeros(n, dtype=np.int64) for _ in range(5)))
    asked = np.flatnonzero(rows)
    if not len(asked):
        return out
    rules = list(standard.road_rules().values())
    units = column_text(network.sections, "unit_id")
    groups: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for k in np.unique(plan.section_of_row[asked]).tolist():
        groups[plan.set_of[k], int(plan.rule_of[k]), units[k]].append(k)
    first = np.searchsorted(plan.section_of_row, np.arange(len(network.sections)))
    members = _members(crew, standard)
    for (s, rule, unit), sections in groups.items():
        windows = plan.sets[s]
        roles = rules[rule].roles
        entitled = [m for role in roles for m in members.get((role, None), ())]
        own = [m for role in roles for m in members.get((role, unit), ())] if unit else []
        pieces = window_pieces(windows)
        asked_of = [(_on_duty(own, p) or _on_duty(entitled, p)) + members[_LOOSE] for p in pieces]
        at = first[np.array(sections)][:, None] + np.arange(len(pieces))
        out.count[at] = [len(m) for m in asked_of]
        out.speed_mm_s[at] = [max((m.speed_mm_s for m in of), default=0) for of in asked_of]
        out.seen_ms[at] = [sum(_seen_ms(m, p) for m in of) for of, p in zip(asked_of, pieces, strict=True)]
        parts = _parts(asked_of, pieces)
        if len(parts.window):
            reach, silent = _reach(
                network, np.array(sections), parts, len(pieces), standard.measure.place_error_m.value
            )
            out.reach_mm[at], out.silent_ms[at] = reach, silent
    for column in (out.count, out.silent_ms, out.reach_mm, out.speed_mm_s, out.seen_ms):
        column[~rows] = 0
    return out


def _members(crew: Crew, standard: Standard) -> dict[tuple[str, str | None], list[_Member]]:
    """Who there is, by role and unit (None: of all units); and the devices under `_LOOSE`."""
    speeds = person_speeds(crew, standard)
    of_mode = standard.measure.patrol_speed_kmh.value.mm_per_s().tolist()
    day = [(crew.start_ms, crew.end_ms)]
    out: dict[tuple[str, str | None], list[_Member]] = defaultdict(list)
    for i, person in enumerate(crew.persons):
        member = _Member(person.duty, crew.silences[i] if crew.silences else (), 0, speeds[i])
        out[person.role, None].append(member)
        if person.unit_id:
            out[person.role, person.unit_id].append(member)
    out[_LOOSE] = [_Member(day, d.silences, d.limit_ms, of_mode[d.mode]) for d in crew.loose]
    return out


def _on_duty(members: Iterable[_Member], pieces: Sequence[Interval]) -> list[_Member]:
    return [m for m in members if overlap_ms(m.duty, pieces)]


def _seen_ms(member: _Member, pieces: Sequence[Interval]) -> int:
    """Time of a window on duty and not unheard."""
    asked = intersect(member.duty, pieces)
    return total_ms(asked) - overlap_ms([(s.start_ms, s.end_ms) for s in member.silences], asked)


def _parts(members: Sequence[Sequence[_Member]], pieces: Sequence[Sequence[Interval]]) -> _Parts:
    """The silences of the members of each window, within it; nobody's wait for the next fix is a silence."""
    periods = union(p for of in pieces for p in of)
    known: dict[int, list[tuple[int, list[Interval]]]] = {}
    silences: list[tuple[Silence, int]] = []
    rows: list[tuple[int, int, int, int]] = []
    for w, of in enumerate(members):
        for m in of:
            if id(m) not in known:
                known[id(m)] = []
                for s in m.silences:
                    part = [(a, b) for a, b in intersect([(s.start_ms, s.end_ms)], periods) if b - a > m.limit_ms]
                    if part:
                        known[id(m)].append((len(silences), part))
                        silences.append((s, m.speed_mm_s))
            for nth, part in known[id(m)]:
                rows += [(w, nth, a, b) for a, b in intersect(part, pieces[w])]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    left, back = (
        np.array([getattr(s, name) or (np.nan,) * 3 for s, _ in silences], dtype=np.float64).reshape(-1, 3)
        for name in ("left", "back")
    )
    speed = np.array([v for _, v in silences], dtype=np.int64)
    return _Parts(table[:, 0], table[:, 1], table[:, 2], table[:, 3], left, back, speed)


def _reach(network: Network, sections: I8, parts: _Parts, windows: int, error_m: float) -> tuple[I8, I8]:
    """Millimetres within reach and usable milliseconds, both int64 (K, W), of K sections in W windows."""
    lines = section_lines(network, sections)
    shapes = np.array([lines[k] for k in sections.tolist()], dtype=object)
    shapely.prepare(shapes)
    reach, usable = (np.zeros((len(sections), windows), dtype=np.int64) for _ in range(2))
    step = max(1, _AT_ONCE // len(parts.window))
    speed = parts.speed_mm_s[parts.silence]
    for a in range(0, len(sections), step):
        some = shapes[a : a + step]
        begin = np.maximum(parts.start_ms, _arrival(some, parts.left, error_m, parts.speed_mm_s, 1)[:, parts.silence])
        end = np.minimum(parts.end_ms, _arrival(some, parts.back, error_m, parts.speed_mm_s, -1)[:, parts.silence])
        ms = np.maximum(end - begin, 0)
        for out, amount in ((usable, ms), (reach, ms * speed // 1000)):
            for w in range(windows):
                out[a : a + step, w] = amount[:, parts.window == w].sum(axis=1)
    return reach, usable


def _arrival(shapes: npt.NDArray[np.object_], at: F8, error_m: float, speed_mm_s: I8, sign: int) -> I8:
    """Earliest time (sign 1) at sections after the fixes `at`, or latest (sign -1) before them: int64 (K, S), no bound where unknown."""
    known = ~np.isnan(at[:, 0])
    out = np.full((len(shapes), len(at)), -sign * 2**62, dtype=np.int64)
    points: npt.NDArray[np.object_] = np.asarray(shapely.points(at[known, 1:]), dtype=object)
    away = np.maximum(shapely.distance(shapes[:, None], points[None, :]) - error_m, 0.0)
    way_ms = (away * 1_000_000).astype(np.int64) // speed_mm_s[known]
    out[:, known] = at[known, 0].astype(np.int64) + sign * way_ms
    return out
