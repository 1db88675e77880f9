"""Disposal clocks and supervision: when each case was due, whether it was in time, and what follows where it was not.

A case may have two deadlines: the clause's and that of its own file. Both are judged, beside each other, and `decided_by` says which of
them the outcome is taken from. What the data cannot decide is not judged, with its cause.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from gis.case_times import read_cases
from gis.crew import stamp
from gis.work_time import NEVER, WorkTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from gis.case_times import Case
    from gis.standard import Clock, Standard

__all__ = ["WorkTime", "case_clocks", "clock_summary", "closing_outcomes"]

_ON_SPOT = {"at_once", "same_day"}
_PAST = {"late", "overdue"}


class _Row(NamedTuple):
    """One row of the contract `case_clocks`, times as UTC milliseconds."""

    case_id: str
    clock_id: str
    started: int
    due: int
    closed: int
    outcome: str
    supervision: str | None
    decided_by: str | None
    due_clause: int
    outcome_clause: str | None
    due_file: int
    outcome_file: str | None
    cause: str | None
    provisional: bool


_TIMES = {"started", "due", "closed", "due_clause", "due_file"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the clocks of one run are judged with: working time, the moment, and since when each channel's verifications are recorded."""

    time: WorkTime
    as_of_ms: int
    verified_since: Mapping[str, int]


def case_clocks(cases: pd.DataFrame, standard: Standard, zone: ZoneInfo, *, as_of_ms: int) -> pd.DataFrame:
    """The clocks of every case opened by a moment, as they stood then (contract `case_clocks`).

    Which clocks bind a case: one that its source marks as settled on the spot (`on_spot`) runs on the clock of its channel for that
    alone, to the end of the day on which it was opened; any other on those for what is handed over. A community case that was dispatched
    runs on the clock of the dispatch. A clock that ends with a verification asks for the time of one: where a channel records none, it
    has no data.
    """
    asked = _Asked(WorkTime.of(standard, zone), as_of_ms, verified_since(cases))
    by_channel: dict[str, list[tuple[str, Clock]]] = defaultdict(list)
    for key, clock in standard.clocks.items():
        by_channel[clock.channel].append((key, clock))
    rows = [
        _row(case, key, clock, asked)
        for case in read_cases(cases, zone, as_of_ms=as_of_ms)
        if case.opened <= as_of_ms
        for key, clock in by_channel.get(case.channel, [])
        if _binds(case, clock, by_channel[case.channel], asked)
    ]
    return _frame(rows)


def _frame(rows: Sequence[_Row]) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(_Row._fields)
    return pd.DataFrame(
        {
            name: stamp(np.array(values, dtype=np.int64), NEVER)
            if name in _TIMES
            else pd.Series(list(values), dtype=bool if name == "provisional" else object)
            for name, values in zip(_Row._fields, columns, strict=True)
        }
    )


def verified_since(cases: pd.DataFrame) -> dict[str, int]:
    """Since which opening each channel's cases have a time of verification; a channel without any is left out."""
    if "verified" not in cases.columns or not len(cases):
        return {}
    known = cases[cases["verified"].notna()]
    first = pd.to_datetime(known["opened"], utc=True).groupby(known["channel"].astype(str)).min()
    return {str(k): int(v.value // 1_000_000) for k, v in first.astype("datetime64[ns, UTC]").items()}


# --- which clocks bind a case ---
def _known(ms: int, asked: _Asked) -> int:
    """A time as known at the moment asked about."""
    return ms if ms <= asked.as_of_ms else NEVER


def _binds(case: Case, clock: Clock, siblings: Sequence[tuple[str, Clock]], asked: _Asked) -> bool:
    if clock.unit in _ON_SPOT:
        return bool(case.on_spot)
    if case.on_spot and any(c.unit in _ON_SPOT for _, c in siblings):
        return False
    if clock.ends == "verified" and _settled_before(case, clock, asked):
        return False
    dispatched = _known(case.dispatched, asked) != NEVER
    if case.channel == "community" and clock.closes:
        return dispatched == (clock.starts == "dispatched")
    return clock.starts == "opened" or dispatched


def _settled_before(case: Case, clock: Clock, asked: _Asked) -> bool:
    """Whether a case was settled, unverified, before it had to be verified: nothing was left to verify."""
    closed = _known(case.closed, asked)
    if case.impossible or closed == NEVER or _known(case.verified, asked) != NEVER:
        return False
    due = _clause_due(case, clock, asked.time)
    return due != NEVER and closed <= due


# --- when a clock is due ---
def _started(case: Case, clock: Clock) -> int:
    return case.dispatched if clock.starts == "dispatched" else case.opened


def _clause_unit(case: Case, clock: Clock, time: WorkTime) -> str:
    line = time.standard.platform.limit(case.category, case.road_class) if clock.unit == "category" else None
    return line.unit if line is not None else clock.unit


def _clause_due(case: Case, clock: Clock, time: WorkTime) -> int:
    """The deadline by the clause, or by the standard's table of limits; `NEVER` where it names no figure."""
    started = _started(case, clock)
    if clock.unit in _ON_SPOT:
        return time.end_of(time.day_of(started))
    if clock.unit == "category":
        line = time.standard.platform.limit(case.category, case.road_class)
        return NEVER if line is None else time.after(started, line.amount, line.unit, case.unit_id)
    return NEVER if clock.amount is None else time.after(started, clock.amount, clock.unit, case.unit_id)


def _deciding(case: Case, clock: Clock, clause: int, file: int, time: WorkTime) -> tuple[int, str]:
    """The deadline that decides, and whose it is.

    A leader's instruction goes before all where the clause says so. Where the clause has a figure, it decides. Where it points to a table
    of limits that only stands in for the real one (`platform.assumption`), the deadline in the case's file is the real one's and decides.
    """
    if clock.override == "instruction" and case.instructed_due != NEVER and not case.bad_instruction:
        return case.instructed_due, "instruction"
    by_table = clock.unit == "category"
    if file != NEVER and not case.bad_due and (clause == NEVER or (by_table and time.standard.platform.assumption)):
        return file, "case_file"
    return clause, "" if clause == NEVER else "limits" if by_table else "clause"


def _row(case: Case, key: str, clock: Clock, asked: _Asked) -> _Row:
    time, started = asked.time, _started(case, clock)
    clause = _clause_due(case, clock, time)
    file = case.due if clock.closes else NEVER
    due, decided_by = _deciding(case, clock, clause, file, time)
    done = _known(case.verified if clock.ends == "verified" else case.closed, asked)
    outcome, cause = _judged(case, clock, due, asked)
    by_clause = _judged(case, clock, clause, asked)[0] if clause != NEVER else ""
    by_file = "" if file == NEVER else "impossible" if case.bad_due else _judged(case, clock, file, asked)[0]
    if not cause and file != NEVER and case.bad_due:
        cause = "due_before_opened"
    elif not cause and clock.override == "instruction" and case.bad_instruction:
        cause = "instruction_before_opened"
    supervision, until = _supervision(case, clock, due, done, asked) if outcome in _PAST else ("", NEVER)
    unit = _clause_unit(case, clock, time)
    provisional = time.provisional(started, clause, unit) or time.provisional(due, until, "working_day")
    return _Row(
        case.case_id, key, started, due, done, outcome, supervision or None, decided_by or None, clause, by_clause or None, file,
        by_file or None, cause or None, provisional,
    )  # fmt: skip


def _judged(case: Case, clock: Clock, due: int, asked: _Asked) -> tuple[str, str]:  # noqa: PLR0911 (one line an outcome)
    """Outcome against one deadline, and the cause where there is none."""
    if clock.unit == "none":
        return "no_figure", ""
    if case.impossible:
        return "impossible", case.impossible
    if due == NEVER:
        return "no_figure", ""
    verifies = clock.ends == "verified"
    done = _known(case.verified if verifies else case.closed, asked)
    earliest = case.verified_from if verifies else case.closed_from
    if done != NEVER:
        if done <= due:
            return "on_time", ""
        return ("late", "") if earliest > due else ("no_data", "day_only")
    if verifies and not asked.verified_since.get(case.channel, case.opened + 1) <= case.opened:
        return "no_data", "no_verification"
    if not verifies and case.status == "closed" and case.closed == NEVER:
        return "no_data", "closed_without_time"
    if case.status == "suspended":
        return "suspended", ""
    return ("running" if asked.as_of_ms <= due else "overdue"), ""


def _supervision(case: Case, clock: Clock, due: int, done: int, asked: _Asked) -> tuple[str, int]:
    """What the supervision of the channel says of a case past its limit, and until when it is urged; only clocks that close a case are."""
    time = asked.time
    fits = {k: s for k, s in time.standard.supervision.items() if s.channel == case.channel}
    if not clock.closes or not fits:
        return "", NEVER
    key, rule = next(iter(fits.items()))
    if rule.amount is None or not rule.unit:
        return f"{key}：超期，{rule.zh}", NEVER
    until = time.after(due, rule.amount, rule.unit)
    shown = f"{time.day_of(until - 1):%Y-%m-%d}"
    if done != NEVER:
        text = f"{key}：超期结案（督办期内）" if done <= until else f"{key}：督办期后结案，纳入考核"
    else:
        text = f"{key}：督办中，至 {shown}" if asked.as_of_ms <= until else f"{key}：督办逾期（{shown}），纳入考核"
    return text, until


# --- sums ---
def clock_summary(clocks: pd.DataFrame) -> Mapping[str, int]:
    """Number of clocks by outcome."""
    return {str(k): int(v) for k, v in clocks["outcome"].value_counts(sort=False).sort_index().items()}


def closing_outcomes(clocks: pd.DataFrame, standard: Standard) -> pd.Series[str]:
    """Outcome of the clock that settles each case (closing it, or on the spot), indexed by case_id.

    Args:
        clocks: contract `case_clocks`.
        standard: whose clocks they are.
    """
    settling = {k for k, c in standard.clocks.items() if c.closes or c.unit in _ON_SPOT}
    rows = clocks[clocks["clock_id"].isin(settling)].drop_duplicates("case_id")
    return pd.Series(rows["outcome"].to_numpy(dtype=object), index=rows["case_id"].to_numpy(dtype=object), dtype=object)
