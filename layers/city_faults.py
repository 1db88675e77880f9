"""The faults of a city file, each with its line, its key, and what to do."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pyproj import CRS
from pyproj.exceptions import CRSError

from gis.errors import Fault
from layers.toml_lines import Path as KeyPath
from layers.toml_lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from layers.city import Source

_WORDS = {
    "missing": ("缺少必填项", "required setting is missing"),
    "string_type": ("应为文字", "must be text"),
    "int_type": ("应为整数", "must be a whole number"),
    "float_type": ("应为数字", "must be a number"),
    "bool_type": ("应为 true 或 false", "must be true or false"),
    "bool_parsing": ("应为 true 或 false", "must be true or false"),
    "dict_type": ("应为表", "must be a table"),
    "tuple_type": ("应为列表", "must be a list"),
    "date_from_datetime_parsing": ("应为日期，如 2026-01-31", "must be a date such as 2026-01-31"),
    "date_type": ("应为日期，如 2026-01-31", "must be a date such as 2026-01-31"),
    "string_too_short": ("不能为空", "must not be empty"),
    "string_pattern_mismatch": ("只能用字母、数字、- 和 _", "letters, digits, - and _ only"),
}


def near(name: str, known: Iterable[str]) -> list[str]:
    """Known names that resemble a wrong one, nearest first."""
    names = list(known)
    lower = {n.lower(): n for n in reversed(names)}
    found = difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.6)
    return [lower[f] for f in found]


@dataclass(slots=True)
class Faults:
    """Collects the faults of one file; a key that is not in the text is placed at the nearest thing that is."""

    file: str
    lines: Mapping[KeyPath, int]
    found: list[Fault] = field(default_factory=list)

    def add(self, path: KeyPath, code: str, zh: str, en: str, *, fix: tuple[str, str] = ("", "")) -> None:
        """Add a fault at a key."""
        column = ".".join(str(p + 1) if isinstance(p, int) else p for p in path) or None
        row = line_of(dict(self.lines), path)
        self.found.append(Fault(code, zh, en, fix[0], fix[1], file=self.file, row=row, column=column))

    def add_pydantic(self, path: KeyPath, errors: Iterable[ErrorDetails], fields: Iterable[str]) -> None:
        """Add what pydantic found, one fault a key."""
        seen: set[KeyPath] = set()
        for error in errors:
            place = self._known(path, tuple(error["loc"]))
            if place in seen:
                continue
            seen.add(place)
            self._add_error(place, error, list(fields))

    def _known(self, path: KeyPath, loc: KeyPath) -> KeyPath:
        """The key that a pydantic location means: names of union members are no keys."""
        for end in range(len(loc), 0, -1):
            if (*path, *loc[:end]) in self.lines:
                return (*path, *loc[:end])
        return (*path, *loc[:1])

    def _add_error(self, place: KeyPath, error: ErrorDetails, fields: list[str]) -> None:
        kind, name = error["type"], str(place[-1])
        if kind == "extra_forbidden":
            similar = near(name, fields)
            fix = (
                (f"是否为 {'、'.join(similar)}？", f"did you mean {', '.join(similar)}?")
                if similar
                else ("请删除", "remove it")
            )
            self.add(place, "city.unknown_key", f"没有名为 {name} 的设置", f"there is no setting {name}", fix=fix)
            return
        if kind == "literal_error":
            expected = str(error["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
            self.add(place, "city.choice", f"{error['input']!r} 不在可选值之中", f"{error['input']!r} is no choice",
                     fix=(f"可选：{expected}", f"one of {expected}"))  # fmt: skip
            return
        zh, en = _WORDS.get(kind, (f"值不合规：{error['msg']}", error["msg"]))
        self.add(place, f"city.{'missing' if kind == 'missing' else 'value'}", zh, en)

    # --- what pydantic cannot see ---
    def check_variables(self, path: KeyPath, names: Iterable[str]) -> None:
        """Every environment variable that is used must be set."""
        for name in names:
            if name not in os.environ:
                self.add(path, "city.variable", f"环境变量 {name} 未设置", f"environment variable {name} is not set",
                         fix=(f"先运行 export {name}=…", f"run export {name}=… first"))  # fmt: skip

    def check_zone(self, path: KeyPath, name: str) -> None:
        """A time zone must be known."""
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.add(path, "city.timezone", f"没有名为 {name!r} 的时区", f"there is no time zone {name!r}",
                     fix=("用 IANA 名称，如 Asia/Shanghai", "use an IANA name such as Asia/Shanghai"))  # fmt: skip

    def check_crs(self, path: KeyPath, crs: str | int, *, projected: bool = False) -> None:
        """A CRS must be one that PROJ knows; where lengths are computed it must be in metres."""
        try:
            known = CRS.from_user_input(crs)
        except CRSError:
            self.add(path, "city.crs", f"无法识别坐标系 {crs!r}", f"unknown CRS {crs!r}",
                     fix=("写 EPSG 代号，如 4490、4550", "give an EPSG code such as 4490 or 4550"))  # fmt: skip
            return
        if projected and not (known.is_projected and all(a.unit_name == "metre" for a in known.axis_info)):
            self.add(path, "city.crs", f"{crs} 不是以米为单位的投影坐标系", f"{crs} is no projected CRS in metres",
                     fix=("如 EPSG:4550（CGCS2000 三度带，中央经线 123°）", "such as EPSG:4550"))  # fmt: skip


def check_source(faults: Faults, path: KeyPath, source: Source, columns: Sequence[str]) -> None:
    """What must hold within one source; `columns` are those that its table may have."""
    _check_reach(faults, path, source)
    _check_columns(faults, path, source, columns)
    _check_place(faults, path, source)
    if source.time_zone is not None:
        faults.check_zone((*path, "time_zone"), source.time_zone)
    if source.encoding is not None and not _is_encoding(source.encoding):
        faults.add((*path, "encoding"), "city.encoding", f"没有名为 {source.encoding!r} 的编码",
                   f"there is no encoding {source.encoding!r}", fix=("如 GB18030、GBK、UTF-8", "such as GB18030 or UTF-8"))  # fmt: skip
    if source.delimiter is not None and len(source.delimiter.encode()) != 1:
        faults.add((*path, "delimiter"), "city.delimiter", f"分隔符 {source.delimiter!r} 不是一个字符",
                   f"the delimiter {source.delimiter!r} is not one character",
                   fix=('如 ","、"\\t"、";"', 'such as ",", "\\t" or ";"'))  # fmt: skip
    if source.time_format is not None and not _is_time_format(source.time_format):
        faults.add((*path, "time_format"), "city.time_format", f"时间格式 {source.time_format!r} 无法使用",
                   f"the time format {source.time_format!r} cannot be used",
                   fix=('如 "%Y-%m-%d %H:%M:%S"', 'such as "%Y-%m-%d %H:%M:%S"'))  # fmt: skip
    if source.kind is not None and source.table != "areas":
        faults.add((*path, "kind"), "city.kind", "kind 只用于 areas", "kind is only for areas")
    if source.table == "areas" and source.kind is None and "kind" not in {*source.columns, *source.constants}:
        faults.add((*path, "kind"), "city.kind", "区域来源缺少 kind", "a source of areas needs its kind",
                   fix=('写 kind = "town"，或在 columns 中指明 kind 列', 'write kind = "town", or map columns.kind'))  # fmt: skip


def _is_time_format(form: str) -> bool:
    """Whether a strptime format can be used, and names at least one part of a time."""
    moment = datetime(2026, 3, 18, 8, 30, tzinfo=UTC)
    try:
        datetime.strptime(moment.strftime(form), form)  # noqa: DTZ007 (only whether it can be)
    except (ValueError, re.error):
        return False
    return "%" in form.replace("%%", "")


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:
        return False
    return True


def _check_columns(faults: Faults, path: KeyPath, source: Source, columns: Sequence[str]) -> None:
    """What is mapped, constant or translated must be a column of the table, and not both mapped and constant."""
    for key in ("columns", "constants", "translate"):
        for name in getattr(source, key):
            if name not in columns:
                similar = near(name, columns) or list(columns)
                faults.add((*path, key, name), "city.column", f"表 {source.table} 没有列 {name}",
                           f"table {source.table} has no column {name}",
                           fix=(f"可用：{'、'.join(similar)}", f"known: {', '.join(similar)}"))  # fmt: skip
    for name in sorted(set(source.columns) & set(source.constants)):
        faults.add((*path, "constants", name), "city.twice", f"列 {name} 同时写在 columns 与 constants",
                   f"column {name} is both mapped and constant", fix=("保留其一", "keep one"))  # fmt: skip


def _check_place(faults: Faults, path: KeyPath, source: Source) -> None:
    """A CRS that PROJ knows, or a local grid with enough control points."""
    if source.crs == "local":
        needed = 2 if source.control_fit == "helmert" else 3
        if len(source.control_points) < needed:
            faults.add((*path, "control_points"), "city.control_points", f"地方坐标系至少要 {needed} 个控制点",
                       f"a local grid needs at least {needed} control points",
                       fix=("control_points = [[x, y, lon, lat], …]", "control_points = [[x, y, lon, lat], …]"))  # fmt: skip
    elif source.crs is not None:
        faults.check_crs((*path, "crs"), source.crs)


def _check_reach(faults: Faults, path: KeyPath, source: Source) -> None:
    """A source is a path or a query with its database."""
    from layers.city import variables_in  # noqa: PLC0415 (city builds on this module)

    if (source.path is None) == (source.query is None):
        faults.add(path, "city.reach", "须写 path 或 query 之一", "give either path or query",
                   fix=('如 path = "数据/道路.shp"', 'such as path = "data/roads.shp"'))  # fmt: skip
    if (source.query is None) != (source.database is None):
        faults.add(path, "city.reach", "query 与 database 须同时写", "query and database go together")
    for key, texts in (("path", source.paths), ("database", (source.database or "",))):
        faults.check_variables((*path, key), [v for t in texts for v in variables_in(t)])


MOVED = {
    ("network", "each_side"): (
        "双幅路是否两侧都要巡，由标准规定，不在城市文件中设置",
        "whether each side of a divided road is asked for is said by the standard, no longer here",
        '删去此行；两侧都要时，在自有标准文件中写 [measure.carriageways] value = "each"',
        'remove the line; where each side is asked for, write [measure.carriageways] value = "each" in a standard file of your own',
    ),
}  # fmt: skip
"""Settings that went elsewhere: what happened, in both languages, and what to do."""


def check_options(faults: Faults, table: str, given: object, known: Iterable[str]) -> None:
    """Options of [matching] and [network] must be those of the step that reads them."""
    names = sorted(known)
    if not isinstance(given, dict):
        faults.add((table,), "city.value", f"应写成 [{table}]", f"must be written [{table}]")
        return
    for key in given:
        if (table, key) in MOVED:
            faults.add((table, key), "city.moved", *MOVED[table, key][:2], fix=MOVED[table, key][2:])
        elif key not in names:
            similar = near(key, names) or names
            faults.add((table, key), "city.unknown_key", f"没有名为 {key} 的设置", f"there is no setting {key}",
                       fix=(f"可用：{'、'.join(similar)}", f"known: {', '.join(similar)}"))  # fmt: skip
