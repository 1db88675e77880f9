"""The roster: units, persons, devices, who carried which device when, and who answers for which grid or road section."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etl.readers.records import EVER_MS, Finder, Records, digest
from etl.readers.responsibility_text import (
    Statement,
    limited,
    named,
    parse_responsibility,
    parse_section,
    plain,
    several,
    split_ids,
    split_persons,
)
from etl.readers.times import local_to_utc
from etl.readers.words import DEVICE_KINDS, DUTY_KINDS, MODES, ROLES, TARGET_KINDS, UNIT_ENDINGS, UNIT_KINDS

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from etl.base import Context, Read
    from layers.city import Source

    Text = list[str | None]

_UNIT_WORDS = {
    "unit_id": ("单位编码", "编号", "单位代码"), "name": ("单位", "单位名称", "部门名称"), "parent_id": ("上级单位", "所属"),
    "town_id": ("镇街编号", "镇乡街道", "所属镇街", "乡镇"), "kind": ("单位类型", "类别"),
}  # fmt: skip
_PERSON_WORDS = {
    "person_id": ("工号", "编号", "人员编码", "警号"), "name": ("名字", "人员", "人员姓名"), "role": ("职务", "岗位", "人员类别", "身份"),
    "unit_id": ("单位编号", "所属单位", "部门", "中队", "所属中队"), "town_id": ("镇街编号", "镇乡街道", "所属镇街", "乡镇"),
    "duty": ("上班时段", "工作时间", "值班时间", "班次"), "valid_from": ("入职日期", "自何日起"), "valid_to": ("离职日期", "至何日止"),
}  # fmt: skip
_DEVICE_WORDS = {
    "device_id": ("设备号", "终端编号", "手机号", "车牌号", "设备"),
    "kind": ("设备类型",),
    "mode": ("出行方式", "巡查方式"),
}
_ASSIGNMENT_WORDS = {
    "device_id": ("设备号", "终端编号", "手机号", "车牌号", "设备"), "person_id": ("工号", "人员编码"), "mode": ("出行方式", "巡查方式"),
    "person_name": ("姓名", "领用人", "使用人", "人员", "人员姓名"), "valid_from": ("领用时间", "开始", "开始时间", "起始时间"),
    "valid_to": ("归还时间", "结束", "结束时间", "终止时间"),
}  # fmt: skip
_RESPONSIBILITY_WORDS = {
    "person_id": ("工号", "人员编码"),
    "persons": ("责任人", "责任队员", "姓名", "人员", "负责人"), "text": ("责任路段", "路段", "起止路段", "责任区域"),
    "road_name": ("路名", "道路名称", "路段名称"), "from_name": ("起点", "起始路口", "自"), "to_name": ("终点", "终止路口"),
    "target_id": ("网格编号", "网格", "责任网格", "网格名称"), "duty_kind": ("责任类型", "职责"), "valid_from": ("生效日期",),
    "valid_to": ("失效日期",),
    "unit_id": ("单位", "单位编号", "所属单位", "中队", "所属中队", "部门"),
}  # fmt: skip
_PERIOD = re.compile(r"^(\d{1,2})(?:[:.时点](\d{1,2})?分?)?(?:-|至|到|~)(\d{1,2})(?:[:.时点](\d{1,2})?分?)?$")
_PADDING = re.compile(r"(?<=[一-鿿])\s+(?=[一-鿿])")  # 张 三
_DAY_MINUTES = 1440


def read_units(source: Source, context: Context) -> Read:
    """Units; where a source has no ids the name is the id, where it has no kind the name's ending tells it.

    Raises:
        InputError: the source cannot be read, or has no names.
    """
    rows = Records(source, context, _UNIT_WORDS)
    rows.require("name")
    name = rows.text("name")
    unit_id = rows.text("unit_id") if rows.has("unit_id") else name
    rows.doubt_empty(unit_id, "unit_id" if rows.has("unit_id") else "name")
    rows.doubt_empty(name, "name")
    kind = rows.words("kind", UNIT_KINDS)
    kind = [k or _kind_of(n) for k, n in zip(kind, name, strict=True)]
    rows.doubt_empty(kind, "kind")
    rows.doubt_keys(unit_id)
    own = Finder(pd.DataFrame({"unit_id": unit_id, "name": name}).dropna(), "unit_id")
    parent = [own.find(p)[0] or p for p in rows.text("parent_id")]
    return rows.read(
        {"unit_id": unit_id, "name": name, "kind": kind, "parent_id": parent, "town_id": rows.text("town_id")}
    )


def _kind_of(name: str | None) -> str | None:
    return next((kind for ending, kind in UNIT_ENDINGS if name and name.endswith(ending)), None)


def read_persons(source: Source, context: Context) -> Read:
    """Persons with role, unit, town and duty times; a unit may be given by its name.

    Raises:
        InputError: the source cannot be read, or has no names or roles.
    """
    rows = Records(source, context, _PERSON_WORDS)
    rows.require("name", "role")
    name = [n and _PADDING.sub("", n) for n in rows.text("name")]
    person_id = rows.text("person_id") if rows.has("person_id") else name
    rows.doubt_empty(person_id, "person_id" if rows.has("person_id") else "name")
    rows.doubt_empty(name, "name")
    role = rows.words("role", ROLES)
    rows.doubt_empty(role, "role")
    written = rows.text("duty")
    duty = [normal_duty(d) for d in written]
    rows.doubt(
        np.array([d is None and w is not None for d, w in zip(duty, written, strict=True)]),
        "duty_unparsable",
        "duty",
        written,
    )
    start, end = rows.times("valid_from"), rows.times("valid_to", end=True)
    rows.doubt((end <= start).to_numpy(dtype=bool), "order_wrong", "valid_to")
    rows.doubt_keys(person_id)
    unit, lost = _units(rows, context)
    if lost:
        rows.note(
            f"{lost} 人的单位不在单位表中，按原文保留",
            f"the unit of {lost} persons is not in the table of units and is kept as written",
        )
    return rows.read(
        {"person_id": person_id, "name": name, "role": role, "unit_id": unit, "town_id": rows.text("town_id"), "duty": duty,
         "valid_from": start, "valid_to": end}
    )  # fmt: skip


def _units(rows: Records, context: Context) -> tuple[Text, int]:
    """Units by id or name, and how many are in no table of units."""
    finder = Finder(context.tables.get("units"), "unit_id")
    cells = rows.text("unit_id") if rows.has("unit_id") else rows.text("unit_name")
    found = [finder.find(c)[0] for c in cells]
    lost = sum(c is not None and f is None for c, f in zip(cells, found, strict=True)) if finder else 0
    return [f or c for c, f in zip(cells, found, strict=True)], lost


def normal_duty(text: str | None) -> str | None:
    """Duty times as `08:30-12:00,13:30-17:30`; a period over midnight is cut there; None where the text is no such thing.

    >>> normal_duty("8:30至12:00、13:30—17:30"), normal_duty("22:00-6:00"), normal_duty("全天候")
    ('08:30-12:00,13:30-17:30', '00:00-06:00,22:00-24:00', None)
    """
    if text is None:
        return None
    plain = re.sub(r"[—–―─-]+", "-", unicodedata.normalize("NFKC", text)).replace("〜", "~")
    parts = [p for p in re.split(r"[,;、/\s和]+", re.sub(r"\s*(-|~|至|到)\s*", r"\1", plain)) if p]
    periods: list[tuple[int, int]] = []
    for part in parts:
        found = _PERIOD.match(part)
        if found is None:
            return None
        a, b = (int(found[i]) * 60 + int(found[i + 1] or 0) for i in (1, 3))
        if max(a, b) > _DAY_MINUTES or a == b:
            return None
        periods.extend([(a, b)] if a < b else [(a, _DAY_MINUTES), (0, b)] if b else [(a, _DAY_MINUTES)])
    periods.sort()
    if any(later[0] < earlier[1] for earlier, later in pairwise(periods)):
        return None
    return ",".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in periods) or None


def read_devices(source: Source, context: Context) -> Read:
    """Devices with kind and mode; a mode that a row does not name is that of the source, a vehicle's its own.

    Raises:
        InputError: the source cannot be read, or has no device ids.
    """
    rows = Records(source, context, _DEVICE_WORDS)
    rows.require("device_id")
    device = rows.text("device_id")
    rows.doubt_empty(device, "device_id", "device_missing")
    kind = rows.words("kind", DEVICE_KINDS)
    mode = rows.words("mode", MODES)
    mode = [m or ("vehicle" if k == "vehicle" else source.mode) for m, k in zip(mode, kind, strict=True)]
    rows.doubt_empty(mode, "mode")
    rows.doubt_keys(device)
    return rows.read({"device_id": device, "kind": kind, "mode": mode})


def read_assignments(source: Source, context: Context) -> Read:
    """Who carried which device from when to when; a cell may name a whole crew. Persons by id or by a name that only one has.

    Raises:
        InputError: the source cannot be read, or has no devices or persons.
    """
    rows = Records(source, context, _ASSIGNMENT_WORDS)
    rows.require("device_id", "person_id" if rows.has("person_id") else "person_name")
    column = "person_id" if rows.has("person_id") else "person_name"
    people = Finder(context.tables.get("persons"), "person_id")
    split = split_ids if column == "person_id" else split_persons
    cells: list[Text] = [[*split(c, people)] or [None] for c in rows.text(column)]
    _spread(rows, [len(c) for c in cells])
    found = [people.find(n) for names in cells for n in names]
    person = [f[0] for f in found]
    device = rows.text("device_id")
    rows.doubt_empty(device, "device_id", "device_missing")
    written = [n for names in cells for n in names]
    rows.doubt_empty(written, column)
    for code in ("person_unknown", "person_ambiguous"):
        rows.doubt(np.array([f[1] == code for f in found], dtype=bool), code, column, written)
    rows.note_near(column, written, people.ids)
    start, end = rows.times("valid_from"), rows.times("valid_to", end=True)
    start = start.fillna(_since(source.valid_from, rows))
    rows.doubt((end <= start).to_numpy(dtype=bool), "order_wrong", "valid_to")
    rows.doubt_keys(device, person, [str(s) for s in start])
    mode = rows.words("mode", MODES, missing=source.mode)
    return rows.read({"device_id": device, "person_id": person, "mode": mode, "valid_from": start, "valid_to": end})


def _since(day: date | None, rows: Records) -> pd.Timestamp:
    """When what names no beginning begins: the local midnight of the source's valid_from, else 1990."""
    if day is None:
        return pd.Timestamp(EVER_MS, unit="ms", tz="UTC").as_unit("ms")
    local = np.array([np.datetime64(day, "ms").astype(np.int64)])
    return pd.Timestamp(int(local_to_utc(local, rows.zone)[0][0]), unit="ms", tz="UTC").as_unit("ms")


def _spread(rows: Records, sizes: list[int]) -> None:
    """One entry for each of several statements of a row."""
    if any(n > 1 for n in sizes):
        rows.note(f"{len(sizes)} 行含 {sum(sizes)} 条记录", f"{len(sizes)} rows hold {sum(sizes)} records")
    rows.expand([i for i, n in enumerate(sizes) for _ in range(n)])


def read_responsibilities(source: Source, context: Context) -> Read:
    """Who answers for what: grids, units and road sections, from columns or from text as offices write it.

    A statement whose person is unknown or has namesakes is kept with `resolved` false and its problem: what it is about stays without a
    named person, and the list of problems says why. Sections are resolved against the network later.

    Raises:
        InputError: the source cannot be read, or says neither what nor who.
    """
    rows = Records(source, context, _RESPONSIBILITY_WORDS)
    people = Finder(context.tables.get("persons"), "person_id")
    kind = rows.words("target_kind", TARGET_KINDS)
    finders = {
        k: Finder(context.tables.get(f"{k}s"), key)
        for k, key in (("work_grid", "grid_id"), ("community_grid", "grid_id"), ("unit", "unit_id"))
    }
    statements = _statements(rows, people, kind, finders)
    entries = [
        (s, name, duty) for row in statements for s in row for name, duty in (s.names or ((None, "responsible"),))
    ]
    sizes = [sum(max(1, len(s.names)) for s in row) for row in statements]
    _spread(rows, sizes)
    kind = rows.words("target_kind", TARGET_KINDS)
    rows.doubt(
        np.array([not s.target for s, _, _ in entries], dtype=bool),
        "value_missing",
        "text" if rows.has("text") else "target_id",
    )
    rows.note_near("person_id", [name for _, name, _ in entries], people.ids)
    return rows.read(_responsibility_columns(rows, entries, kind, people, finders, context))


def _statements(rows: Records, people: Finder, kind: Text, finders: dict[str, Finder]) -> list[list[Statement]]:
    """Statements of each row: of its columns where it has them, else of its text."""
    known = {n for names in people.by_name.values() for n in names} | set(people.by_name) | people.ids
    cells = {
        c: rows.text(c)
        for c in ("target_id", "road_name", "from_name", "to_name", "text", "persons", "person_name", "person_id")
    }
    duty = rows.words("duty_kind", DUTY_KINDS)
    out: list[list[Statement]] = []
    for i in range(len(rows)):
        row = {c: v[i] for c, v in cells.items()}
        cell = row["person_id"] or row["persons"] or row["person_name"]
        split = split_persons if row["person_id"] is None else split_ids
        names = tuple((n, duty[i] or "responsible") for n in split(cell, people))
        if row["target_id"] is not None:
            finder = finders.get(kind[i] or "")
            ids = [row["target_id"]] if finder is None else split_ids(row["target_id"], finder)
            found = [Statement(t, "", None, None, names, t) for t in ids]
        else:
            found = _sections_of(row, names, known)
            if row["person_id"] is None and cell is not None:
                found = _with_limits(found, cell, known)
        out.append(found or [Statement("", "", None, None, names, row["text"] or "")])
    return out


def _sections_of(
    row: dict[str, str | None], names: tuple[tuple[str, str], ...], known: Collection[str]
) -> list[Statement]:
    """Sections of a row's columns, or of its text."""
    road, text = row["road_name"], row["text"]
    if road is not None and row["from_name"] is not None:
        target = f"{road}({row['from_name']}至{row['to_name'] or ''})"
        return [Statement(target, road, row["from_name"], row["to_name"], names, target)]
    if road is not None and text is not None:
        target = f"{road}({text})"
        return [Statement(t, *parse_section(t), names, target) for t in several(target)]
    whole = text or road or ""
    return [
        Statement(s.target, s.road, s.start, s.stop, s.names or names, whole)
        for s in parse_responsibility(whole, known=known)
    ]


def _with_limits(found: list[Statement], cell: str, known: Collection[str]) -> list[Statement]:
    """Statements whose column of persons limits their duties (`张三（中山路以东）`): each person with what is his."""
    limits: dict[str, list[str]] = {}
    for name, words in named(plain(cell), known=known):
        limits.setdefault(name, []).extend(words)
    everybody = limits.pop("", [])
    if not everybody and not any(limits.values()):
        return found
    out: list[Statement] = []
    for s in found:
        for name, duty in s.names:
            own = [*everybody, *limits.get(name, [])]
            target, road = limited(s.target, own), limited(s.road, own)
            if name not in everybody:
                out.append(Statement(target, road, s.start, s.stop, ((name, duty),), s.text))
    return out


def _responsibility_columns(
    rows: Records,
    entries: list[tuple[Statement, Any, str]],
    kind: Text,
    people: Finder,
    finders: dict[str, Finder],
    context: Context,
) -> dict[str, Any]:
    persons = context.tables.get("persons")
    units = (
        dict(zip(persons["person_id"], persons["unit_id"], strict=True)) if persons is not None and len(persons) else {}
    )
    unit = _units(rows, context)[0] if rows.has("unit_id") else [None] * len(rows)
    start, end = rows.times("valid_from"), rows.times("valid_to", end=True)
    out: dict[str, list[Any]] = {c: [] for c in ("person_id", "duty_kind", "target_kind", "target_id", "road_name", "from_name", "to_name",
                                                 "source_text", "resolved", "problem", "responsibility_id",
                                                 "source_name", "source_row")}  # fmt: skip
    for i, (statement, name, duty) in enumerate(entries):
        person, why = people.find(name, {p for p, u in units.items() if u == unit[i]})
        target_kind = kind[i] or ("section" if statement.road else "work_grid")
        target, lost = _target(statement, target_kind, finders)
        problem = "；".join(p for p in (_person_problem(name, why), lost) if p) or None
        values = {
            "person_id": person, "duty_kind": duty, "target_kind": target_kind, "target_id": target, "road_name": statement.road or None,
            "from_name": statement.start, "to_name": statement.stop, "source_text": statement.text, "resolved": problem is None,
            "problem": problem, "source_name": rows.place(i)[0], "source_row": rows.place(i)[1],
            "responsibility_id": digest(target_kind, statement.target, name, duty, start[i], end[i], statement.text),
        }  # fmt: skip
        for column, value in values.items():
            out[column].append(value)
    rows.doubt_keys(out["responsibility_id"])
    lost_count = sum(p is not None for p in out["problem"])
    if lost_count:
        rows.note(
            f"{lost_count} 条责任分工未能对应到人员或网格", f"{lost_count} responsibilities match no person or grid"
        )
    return {**out, "valid_from": start, "valid_to": end}


def _person_problem(name: str | None, why: str) -> str | None:
    if name is None:
        return "未写责任人"
    return {
        "person_unknown": f"名册中没有 {name}",
        "person_ambiguous": f"名册中有多名 {name}，请写工号",
    }.get(why)


def _target(statement: Statement, kind: str, finders: dict[str, Finder]) -> tuple[str | None, str | None]:
    """Id of a grid or unit, and the problem where there is none; sections are left to the network."""
    if kind == "section":
        return (None if statement.road else statement.target), None
    finder = finders.get(kind)
    if not finder:
        return statement.target, None
    found, why = finder.find(statement.target)
    return (
        (found, None)
        if found
        else (
            statement.target,
            f"没有编号或名称为 {statement.target} 的对象" if why else None,
        )
    )
