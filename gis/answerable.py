"""Who answers for each section or grid in each window, how long they were on duty and unheard, and what excuses a window."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gis.calendar import Interval, union
from gis.crew import column_ms, column_text, overlap_ms
from gis.model import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from gis.calendar import Windows
    from gis.crew import Crew
    from gis.standard import Standard

Entry = tuple[int, int, int]  # person_ix, start_ms, end_ms

_FAR = 2**62


def window_pieces(windows: Windows) -> list[list[Interval]]:
    """Duty time of each window."""
    out: list[list[Interval]] = [[] for _ in windows.start_ms]
    for s, e, w in zip(
        windows.piece_start_ms.tolist(), windows.piece_end_ms.tolist(), windows.piece_window.tolist(), strict=True
    ):
        out[w].append((s, e))
    return out


def entries_by_target(crew: Crew, target_kind: str, *, duty_kind: str = "responsible") -> dict[str, tuple[Entry, ...]]:
    """Who answers for each target of a kind, sorted."""
    out: dict[str, set[Entry]] = defaultdict(set)
    for d in crew.duties:
        if d.target_kind == target_kind and d.duty_kind == duty_kind:
            out[d.target_id].add((d.person_ix, d.start_ms, d.end_ms))
    return {k: tuple(sorted(v)) for k, v in out.items()}


def of_roles(entries: Sequence[Entry], crew: Crew, roles: Sequence[str]) -> tuple[Entry, ...]:
    """Entries whose person has one of the roles."""
    return tuple(e for e in entries if crew.persons[e[0]].role in roles)


def person_speeds(crew: Crew, standard: Standard) -> list[int]:
    """Fastest patrol speed of what each person carried, mm/s; on foot where they carried nothing."""
    speeds = standard.measure.patrol_speed_kmh.value.mm_per_s().tolist()
    out = [0] * len(crew.persons)
    for c in crew.carries:
        out[c.person_ix] = max(out[c.person_ix], speeds[c.mode])
    return [s or speeds[int(Mode.FOOT)] for s in out]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Of N rows (a subject in a window): time of those who answer for it.

    Attributes:
        duty_ms: int64 (N,), person-time on duty.
        silent_ms: int64 (N,), person-time on duty and unheard.
        reach_mm: int64 (N,), length that could have been patrolled in the silence: sum of silence x patrol speed.
        speed_mm_s: int64 (N,), fastest patrol speed among them (foot where nobody).
        who: object (N,), ids of those on duty, joined by ;
        seen_ms: int64 (N,), person-time on duty and not unheard.
    """

    duty_ms: npt.NDArray[np.int64]
    silent_ms: npt.NDArray[np.int64]
    reach_mm: npt.NDArray[np.int64]
    speed_mm_s: npt.NDArray[np.int64]
    who: npt.NDArray[np.object_]
    seen_ms: npt.NDArray[np.int64]


def answer_rows(
    crew: Crew,
    standard: Standard,
    entries: Sequence[tuple[Entry, ...]],
    sets: Sequence[int],
    windows: Sequence[Windows],
) -> Answer:
    """The answer for every window of every subject, subjects in order, their windows in order; equal subjects are computed once.

    Args:
        crew: the roster with its silences.
        standard: patrol speeds.
        entries: who answers for each subject.
        sets: set of windows of each subject, -1 for none.
        windows: the sets.
    """
    speeds = person_speeds(crew, standard)
    foot = standard.measure.patrol_speed_kmh.value.mm_per_s().tolist()[int(Mode.FOOT)]
    pieces = [window_pieces(w) for w in windows]
    known: dict[tuple[int, tuple[Entry, ...]], int] = {}
    table: list[tuple[int, int, int, int, str]] = []
    starts = np.zeros(len(sets), dtype=np.int64)
    for i, (who, s) in enumerate(zip(entries, sets, strict=True)):
        if s < 0:
            continue
        if (s, who) not in known:
            known[s, who] = len(table)
            table += [_answer(crew, speeds, foot, who, p) for p in pieces[s]]
        starts[i] = known[s, who]
    sizes = np.array([len(pieces[s]) if s >= 0 else 0 for s in sets], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    rows = np.repeat(starts - first, sizes) + np.arange(sizes.sum())
    numbers = np.array([r[:4] for r in table], dtype=np.int64).reshape(-1, 4)[rows]
    names = np.array([r[4] for r in table], dtype=object)[rows] if table else np.zeros(0, dtype=object)
    duty, silent = numbers[:, 0], numbers[:, 1]
    return Answer(duty, silent, numbers[:, 2], numbers[:, 3], names, np.maximum(duty - silent, 0))


def _answer(
    crew: Crew, speeds: Sequence[int], foot: int, who: tuple[Entry, ...], pieces: Sequence[Interval]
) -> tuple[int, int, int, int, str]:
    duty = silent = reach = fastest = 0
    names = []
    spans: dict[int, list[Interval]] = defaultdict(list)
    for person, start, end in who:
        spans[person].append((start, end))
    for person in sorted(spans):
        asked = [(max(s, a), min(e, b)) for a, b in union(spans[person]) for s, e in pieces if max(s, a) < min(e, b)]
        asked = union(asked)
        on_duty = overlap_ms(crew.persons[person].duty, asked)
        if not on_duty:
            continue
        unheard = overlap_ms(crew.silent[person], asked)
        duty += on_duty
        silent += unheard
        reach += unheard * speeds[person] // 1000
        fastest = max(fastest, speeds[person])
        names.append(crew.persons[person].person_id)
    return duty, silent, reach, fastest or foot, ";".join(names)


# --- exceptions ---
@dataclass(frozen=True, slots=True)
class Excuse:
    """One registered exception: where (rows of subjects) and when."""

    exception_id: str
    kind: str
    reason: str
    subjects: frozenset[int]
    start_ms: int
    end_ms: int


def complete_exceptions(exceptions: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows name reason, approver and entry time; the others excuse nothing."""
    entered = column_ms(exceptions, "entered_at", -_FAR)
    rows = zip(column_text(exceptions, "reason"), column_text(exceptions, "approver"), entered, strict=True)
    return np.array([bool(r.strip() and a.strip() and t != -_FAR) for r, a, t in rows], dtype=np.bool_)


def excuses_for(
    exceptions: pd.DataFrame, subjects: pd.DataFrame, crew: Crew, *, columns: Mapping[str, str]
) -> list[Excuse]:
    """Exceptions that touch the day, each with the subjects (rows of a frame) that it names. For what closes streets see `gis.closures`.

    Args:
        exceptions: contract `exceptions`.
        subjects: a frame with the columns named by `columns`.
        crew: bounds of the day.
        columns: target kind -> column of `subjects` that holds its id.
    """
    ok = complete_exceptions(exceptions)
    rows = zip(
        column_text(exceptions, "exception_id"), column_text(exceptions, "kind"), column_text(exceptions, "reason"),
        column_text(exceptions, "target_kind"), column_text(exceptions, "target_id"), column_ms(exceptions, "starts", -_FAR),
        column_ms(exceptions, "ends", _FAR), ok.tolist(), strict=True,
    )  # fmt: skip
    out = []
    for eid, kind, reason, target_kind, target, start, end, complete in rows:
        if not complete or end <= crew.start_ms or start >= crew.end_ms:
            continue
        if target_kind == "all":
            hit = np.arange(len(subjects))
        elif target_kind in columns:
            hit = np.flatnonzero(np.array(column_text(subjects, columns[target_kind]), dtype=object) == target)
        else:
            continue
        if len(hit):
            out.append(Excuse(eid, kind, reason, frozenset(hit.tolist()), start, end))
    return out


def excused_rows(
    excuses: Sequence[Excuse], sets: Sequence[int], windows: Sequence[Windows], *, share: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.object_]]:
    """Per window of every subject (as `answer_rows`): whether exceptions cover at least `share` of its duty time, and which came first."""
    sizes = np.array([len(windows[s].start_ms) if s >= 0 else 0 for s in sets], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    excused = np.zeros(int(sizes.sum()), dtype=np.bool_)
    names = np.full(len(excused), "", dtype=object)
    by_subject: dict[int, list[int]] = defaultdict(list)
    for i, excuse in enumerate(excuses):
        for k in excuse.subjects:
            if sets[k] >= 0:
                by_subject[k].append(i)
    pieces = [window_pieces(w) for w in windows]
    known: dict[tuple[int, tuple[int, ...]], list[tuple[bool, str]]] = {}
    for k in sorted(by_subject):
        key = (sets[k], tuple(by_subject[k]))
        if key not in known:
            known[key] = [_excused([excuses[i] for i in key[1]], p, share) for p in pieces[key[0]]]
        for w, (hit, name) in enumerate(known[key]):
            excused[first[k] + w], names[first[k] + w] = hit, name
    return excused, names


def _excused(excuses: Sequence[Excuse], pieces: Sequence[Interval], share: float) -> tuple[bool, str]:
    spans = union((e.start_ms, e.end_ms) for e in excuses)
    duty = sum(e - s for s, e in pieces)
    if not duty or overlap_ms(spans, pieces) < share * duty:
        return False, ""
    touching = [e for e in excuses if overlap_ms([(e.start_ms, e.end_ms)], pieces)]
    return True, min((e.start_ms, e.exception_id) for e in touching)[1]
