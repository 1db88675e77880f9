"""What an audit says of its disposal clocks: impossible orders, missing fields, and where clause and case file disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gis.case_times import DEADLINES, ORDERS, bad_deadlines, impossible_orders
from gis.clocks import verified_since
from gis.crew import column_ms, column_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    import numpy.typing as npt
    import pandas as pd

    from gis.standard import Standard

Note = tuple[str, str, int, str, str]
_MOST_IDS = 20
_WORDS = {
    "closed_before_opened": ("结案早于立案", "closed before they were opened"),
    "dispatched_before_opened": ("派遣早于立案", "dispatched before they were opened"),
    "verified_before_opened": ("核查早于立案", "verified before they were opened"),
    "closed_before_dispatched": ("结案早于派遣", "closed before they were dispatched"),
    "closed_before_verified": ("结案早于核查", "closed before they were verified"),
    "open_but_closed": ("有结案时间而状态为未结案", "have a time of closing and stand as open"),
    "due_before_opened": ("期限早于立案", "have a deadline before they were opened"),
    "instruction_before_opened": ("领导批示期限早于立案", "have an instructed deadline before they were opened"),
}
_JUDGED = {"on_time", "late", "running", "overdue"}
_PAST = {"late", "overdue"}


def case_order_notes(cases: pd.DataFrame, zone: ZoneInfo, *, as_of_ms: int | None = None) -> Iterable[Note]:
    """Cases whose times cannot be in the order that they stand in, by cause, with their ids."""
    found = impossible_orders(cases, zone, as_of_ms=as_of_ms)
    ids = np.array(column_text(cases, "case_id"), dtype=object)
    opened = np.array(column_ms(cases, "opened", 0), dtype=np.int64)
    by_now = np.ones(len(cases), dtype=np.bool_) if as_of_ms is None else opened <= as_of_ms
    for code in (*(o[2] for o in ORDERS), "open_but_closed"):
        zh, en = _WORDS[code]
        named, count = _named(ids[(found == code) & by_now])
        yield (
            "case.impossible",
            code,
            count,
            f"件案件{zh}，不予判定：{named[0]}",
            f"cases {en}; not judged: {named[1]}",
        )
    bad = bad_deadlines(cases, zone)
    for column, code in DEADLINES:
        zh, en = _WORDS[code]
        named, count = _named(ids[bad[column] & by_now])
        yield ("case.deadline_impossible", code, count, f"件案件{zh}，该期限不采用：{named[0]}",
               f"cases {en}; it is not used: {named[1]}")  # fmt: skip


def _named(ids: npt.NDArray[np.object_]) -> tuple[tuple[str, str], int]:
    shown: Sequence[str] = [str(i) for i in ids[:_MOST_IDS]]
    more = len(ids) - len(shown)
    zh = "、".join(shown) + (f" 等 {len(ids)} 件" if more else "")
    return (zh, ", ".join(shown) + (f" and {more} more" if more else "")), len(ids)


def clock_notes(
    cases: pd.DataFrame, clocks: pd.DataFrame, standard: Standard, zone: ZoneInfo, *, as_of_ms: int
) -> Iterable[Note]:
    """Notes of the clocks (contract `findings`); those about nothing have count 0.

    Args:
        cases: contract `cases`.
        clocks: contract `case_clocks`, of these cases.
        standard: the rules.
        zone: of the city.
        as_of_ms: the moment that the clocks were judged at.
    """
    yield from case_order_notes(cases, zone, as_of_ms=as_of_ms)
    yield from _field_notes(cases, clocks, standard)
    closing = clocks[clocks["clock_id"].isin([k for k, c in standard.clocks.items() if c.closes])]
    clause, file = (closing[c].to_numpy(dtype=object) for c in ("outcome_clause", "outcome_file"))
    both = np.isin(clause, list(_JUDGED)) & np.isin(file, list(_JUDGED))
    past = {n: both & np.isin(v, list(_PAST)) for n, v in (("clause", clause), ("file", file))}
    zh, en = "两种结论并列，以“判定依据”为准", "both outcomes stand beside each other, `decided_by` says which counts"
    yield (
        "clock.two_deadlines", "file_only", int((past["file"] & ~past["clause"]).sum()),
        f"件案件超过案件表的期限，未超过条款（或时限表）的期限：{zh}",
        f"cases are past their file's deadline and within the clause's (or the table's): {en}",
    )  # fmt: skip
    yield (
        "clock.two_deadlines", "clause_only", int((past["clause"] & ~past["file"]).sum()),
        f"件案件超过条款（或时限表）的期限，未超过案件表的期限：{zh}",
        f"cases are past the clause's deadline (or the table's) and within their file's: {en}",
    )  # fmt: skip
    dateless = (closing["outcome"] == "suspended") & closing["due_file"].isna()
    yield (
        "case.suspended_without_date",
        "cases",
        int(dateless.sum()),
        "件挂账案件没有处置期限",
        "suspended cases name no date",
    )
    yield (
        "clock.provisional", "calendar", int(clocks["provisional"].sum()),
        "项时限按尚未公布的节假日安排推算（按周几），期限为暂定",
        "clocks rest on holidays that are not published yet (by the weekday): their due times are provisional",
    )  # fmt: skip


def _field_notes(cases: pd.DataFrame, clocks: pd.DataFrame, standard: Standard) -> Iterable[Note]:
    causes = clocks["cause"].to_numpy(dtype=object)
    yield (
        "clock.no_verification", "cases", int((causes == "no_verification").sum()),
        "项核查时限没有数据：案件表没有核查时间（或当时尚未记录）",
        "clocks of verification have no data: the cases name no time of verification (or not yet then)",
    )  # fmt: skip
    yield (
        "clock.closed_without_time", "cases", int((causes == "closed_without_time").sum()),
        "项时限没有数据：案件已结案而没有结案时间",
        "clocks have no data: the case is closed and names no time of closing",
    )  # fmt: skip
    yield (
        "clock.day_only", "cases", int((causes == "day_only").sum()),
        "项时限没有数据：只知完成的日期，而期限在当天之内",
        "clocks have no data: only the day of the end is known, and the deadline lies within it",
    )  # fmt: skip
    for key, clock in standard.clocks.items():
        unmarked = spot_unmarked(cases, clock.channel) if clock.unit in {"at_once", "same_day"} else 0
        yield (
            "clock.no_spot_mark", key, unmarked,
            f"件案件没有写明是否当场处置，{clock.zh}（{key}）不判定",
            f"cases do not say whether they were settled on the spot: {key} is not judged for them",
        )  # fmt: skip


def spot_unmarked(cases: pd.DataFrame, channel: str) -> int:
    """Cases of a channel that do not say whether they were settled on the spot."""
    own = np.array(column_text(cases, "channel"), dtype=object) == channel
    if "on_spot" not in cases.columns:
        return int(own.sum())
    return int((own & cases["on_spot"].isna().to_numpy()).sum())


def lacks_verification(cases: pd.DataFrame, channel: str) -> bool:
    """Whether no case of a channel has a time of verification."""
    return channel not in verified_since(cases)
