"""What the times of a case can be: a moment, or a day of which nobody knows the hour; and orders that cannot be.

An end that is a bare date is stored as the midnight that ends its day, a beginning as the midnight that begins it. A time at a local
midnight is therefore taken as a day: it lies somewhere in it. What is impossible for one of both readings only is not called impossible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.crew import column_ms, column_text
from gis.work_time import NEVER

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    I8 = npt.NDArray[np.int64]

BEGINNINGS = ("opened", "dispatched")
ENDS = ("verified", "closed", "due", "instructed_due")
# Earlier and later time, and what is said where the later one lies before it; the first that holds.
ORDERS = (
    ("opened", "closed", "closed_before_opened"),
    ("opened", "dispatched", "dispatched_before_opened"),
    ("opened", "verified", "verified_before_opened"),
    ("dispatched", "closed", "closed_before_dispatched"),
    ("verified", "closed", "closed_before_verified"),
)
DEADLINES = (("due", "due_before_opened"), ("instructed_due", "instruction_before_opened"))


@dataclass(frozen=True, slots=True)
class Case:
    """One case as its source gives it; times are UTC milliseconds, `NEVER` where there is none.

    Attributes:
        closed_from, verified_from: the earliest moment of an end that is only known by its day, else the end itself.
        impossible: which order of its times cannot be, as far as they were known at the moment asked about; empty: none.
        bad_due, bad_instruction: a deadline before the opening.
        on_spot: marked by the source as settled on the spot, or not; None: the source says nothing.
    """

    case_id: str
    channel: str
    category: str
    road_class: str
    unit_id: str
    status: str
    opened: int
    dispatched: int
    verified: int
    closed: int
    due: int
    instructed_due: int
    verified_from: int
    closed_from: int
    impossible: str
    bad_due: bool
    bad_instruction: bool
    on_spot: bool | None


def times_of(cases: pd.DataFrame) -> dict[str, I8]:
    """Each time of N cases, int64 (N,)."""
    return {c: np.array(column_ms(cases, c, NEVER), dtype=np.int64) for c in (*BEGINNINGS, *ENDS)}


def spans_of(times: dict[str, I8], zone: ZoneInfo) -> dict[str, tuple[I8, I8]]:
    """Earliest and latest moment of each time, both int64 (N,); the same where it is no local midnight."""
    return {name: _span(ms, zone, end=name in ENDS) for name, ms in times.items()}


def _span(ms: I8, zone: ZoneInfo, *, end: bool) -> tuple[I8, I8]:
    known = ms != NEVER
    local = pd.DatetimeIndex(ms[known].astype("datetime64[ms]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    days = local.normalize()
    bare = np.asarray(days == local)
    other = days[bare] + pd.Timedelta(days=-1 if end else 1)
    first = np.ones(len(other), dtype=np.bool_)
    moved = other.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").tz_convert("UTC").as_unit("ms").asi8
    low, high = ms.copy(), ms.copy()
    at = np.flatnonzero(known)[bare]
    if end:
        low[at] = moved + 1  # midnight itself still belongs to the day before
    else:
        high[at] = moved
    return low, high


def impossible_orders(cases: pd.DataFrame, zone: ZoneInfo, *, as_of_ms: int | None = None) -> npt.NDArray[np.object_]:
    """Which order of a case's times cannot be (codes of `ORDERS`, `open_but_closed`), empty where all can, object (N,).

    Args:
        cases: contract `cases`.
        zone: of the city.
        as_of_ms: times after this moment are not known yet; None: all are.
    """
    times = times_of(cases)
    if as_of_ms is not None:
        times = {k: np.where(v > as_of_ms, NEVER, v) for k, v in times.items()}
    spans = spans_of(times, zone)
    out = np.full(len(cases), "", dtype=object)
    for earlier, later, code in ORDERS:
        known = (times[earlier] != NEVER) & (times[later] != NEVER)
        out[known & (spans[later][1] < spans[earlier][0]) & (out == "")] = code
    status = np.array(column_text(cases, "status"), dtype=object)
    out[(times["closed"] != NEVER) & (status == "open") & (out == "")] = "open_but_closed"
    return out


def bad_deadlines(cases: pd.DataFrame, zone: ZoneInfo) -> dict[str, npt.NDArray[np.bool_]]:
    """Which deadlines (due, instructed_due) end before their case was opened, bool (N,) each."""
    times = times_of(cases)
    opened = spans_of(times, zone)["opened"][0]
    return {c: (times[c] != NEVER) & (times["opened"] != NEVER) & (times[c] < opened) for c, _ in DEADLINES}


def read_cases(cases: pd.DataFrame, zone: ZoneInfo, *, as_of_ms: int) -> list[Case]:
    """The cases of the contract, with what their times can be as known at a moment."""
    times = times_of(cases)
    spans, bad = spans_of(times, zone), bad_deadlines(cases, zone)
    marks = cases["on_spot"].astype(object).tolist() if "on_spot" in cases.columns else [None] * len(cases)
    columns = (
        *(column_text(cases, c) for c in ("case_id", "channel", "category", "road_class", "unit_id", "status")),
        *(times[c].tolist() for c in ("opened", "dispatched", "verified", "closed", "due", "instructed_due")),
        spans["verified"][0].tolist(), spans["closed"][0].tolist(),
        impossible_orders(cases, zone, as_of_ms=as_of_ms).tolist(), bad["due"].tolist(), bad["instructed_due"].tolist(),
        [None if m is None or pd.isna(m) else bool(m) for m in marks],
    )  # fmt: skip
    return [Case(*row) for row in zip(*columns, strict=True)]
