"""Exceptions that excuse a road, grid or person: closure, works, weather, leave; each with reason, approver and time of entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etl.readers.records import Finder, Records, digest
from etl.readers.words import EXCEPTION_KINDS, TARGET_KINDS

if TYPE_CHECKING:
    from etl.base import Context, Read
    from layers.city import Source

_WORDS = {
    "exception_id": ("编号", "单号"),
    "kind": ("类型", "例外类型", "事项"),
    "target_kind": ("对象类型",),
    "target_id": ("对象", "路段", "道路", "网格", "对象编号"),
    "person_name": ("姓名", "人员", "请假人"),
    "substitute_id": ("代班人", "代班", "顶班人"),
    "starts": ("开始", "开始时间", "起始时间", "自"),
    "ends": ("结束", "结束时间", "截止时间", "至"),
    "reason": ("原因", "事由", "理由"),
    "approver": ("批准人", "审批人", "批准"),
    "entered_at": ("登记时间", "录入时间", "填报时间"),
}


def read_exceptions(source: Source, context: Context) -> Read:
    """Exceptions; one without approver, reason or time of entry is set aside, for it cannot excuse anything.

    Persons (of leave, and substitutes) are given by id or by a name that only one has. A section or road may be given as text.

    Raises:
        InputError: the source cannot be read, or lacks kind, start, end, reason, approver or time of entry.
    """
    rows = Records(source, context, _WORDS)
    rows.require("kind", "starts", "ends", "reason", "approver", "entered_at")
    kind = rows.words("kind", EXCEPTION_KINDS)
    rows.doubt_empty(kind, "kind")
    reason, approver = rows.text("reason"), rows.text("approver")
    rows.doubt_empty(approver, "approver", "approver_missing")
    rows.doubt_empty(reason, "reason")
    starts, ends = rows.times("starts", required=True), rows.times("ends", end=True, required=True)
    entered = rows.times("entered_at", required=True)
    rows.doubt((ends <= starts).to_numpy(dtype=bool), "order_wrong", "ends")
    target_kind, target = _targets(rows, context, kind)
    substitute = _persons(rows, context, rows.text("substitute_id"), "substitute_id")
    own = rows.text("exception_id")
    parts = zip(own, kind, target_kind, target, starts, ends, reason, strict=True)
    ids = [p[0] or digest(*p[1:]) for p in parts]
    rows.doubt_keys(ids)
    return rows.read(
        {"exception_id": ids, "kind": kind, "target_kind": target_kind, "target_id": target, "substitute_id": substitute, "starts": starts,
         "ends": ends, "reason": reason, "approver": approver, "entered_at": entered}
    )  # fmt: skip


def _targets(rows: Records, context: Context, kind: list[str | None]) -> tuple[list[str | None], list[str | None]]:
    """What each exception is about: leave is a person's, weather without a target everybody's."""
    named = rows.words("target_kind", TARGET_KINDS)
    cells = rows.text("target_id")
    people = rows.text("person_name")
    out: list[str | None] = []
    target: list[str | None] = []
    for what, given, cell, person in zip(kind, named, cells, people, strict=True):
        found = given or ("person" if what == "leave" else "all" if what == "weather" and cell is None else "section")
        out.append(found)
        target.append((person or cell) if found == "person" else cell)
    is_person = np.array([k == "person" for k in out], dtype=np.bool_)
    resolved = _persons(rows, context, [t if p else None for t, p in zip(target, is_person, strict=True)], "target_id")
    for names, key in (("work_grid", "grid_id"), ("community_grid", "grid_id")):
        finder = Finder(context.tables.get(f"{names}s"), key)
        target = [finder.find(t)[0] or t if k == names else t for k, t in zip(out, target, strict=True)]
    target = [r if p else t for r, t, p in zip(resolved, target, is_person, strict=True)]
    rows.doubt(
        np.array([t is None and k != "all" for t, k in zip(target, out, strict=True)], dtype=np.bool_),
        "value_missing",
        "target_id",
    )
    return out, target


def _persons(rows: Records, context: Context, cells: list[str | None], column: str) -> list[str | None]:
    """Ids of persons; unknown ones and namesakes are set aside."""
    people = Finder(context.tables.get("persons"), "person_id")
    found = [people.find(c) for c in cells]
    for code in ("person_unknown", "person_ambiguous"):
        rows.doubt(np.array([f[1] == code for f in found], dtype=np.bool_), code, column, cells)
    return [f[0] for f in found]
