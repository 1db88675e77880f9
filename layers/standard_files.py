"""Standard files: read, inherit, validate with every fault at once.

A file names the standard that it `extends` (a name that comes with xuncha, or a path beside the file) and only the keys that differ;
tables are merged key by key, lists and values are replaced whole. `key = "remove"` in the `remove` list takes a rule or clock away.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gis.errors import Fault, SettingsError
from gis.standard import Standard
from layers.toml_lines import key_lines, line_of

_PARTS = ("rules", "clocks", "supervision", "requirements", "schedules")
_WORDS = {
    "missing": ("缺少必填项", "required key is missing"),
    "extra_forbidden": ("没有这个键", "there is no such key"),
    "frozen_instance": ("不可修改", "cannot be changed"),
}


def _shipped(name: str) -> Any:
    return resources.files("layers") / "standards" / f"{name}.toml"


def list_standards() -> list[str]:
    """Names of the standards that come with xuncha, sorted."""
    folder = resources.files("layers") / "standards"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def load_standard(path_or_name: Path | str) -> Standard:
    """Read a standard by the name of one that comes with xuncha, or from a file.

    Raises:
        SettingsError: no such standard, no TOML, or its keys break a rule; every fault names file, line and key.
    """
    text, label, base = _text(path_or_name, Path())
    return parse_standard(text, file=label, folder=base)


def parse_standard(text: str, *, file: str = "standard.toml", folder: Path | None = None) -> Standard:
    """A standard from the text of its file; `folder` is where a path in `extends` begins.

    Raises:
        SettingsError: as `load_standard`.
    """
    raw = _merged(text, file, folder or Path(), ())
    lines = key_lines(text)
    try:
        return Standard.model_validate(raw)
    except ValidationError as error:
        raise SettingsError([_fault(file, lines, e) for e in error.errors()]) from error


def _text(path_or_name: Path | str, folder: Path) -> tuple[str, str, Path]:
    """Text, label and folder of a standard."""
    name = str(path_or_name)
    if isinstance(path_or_name, str) and name in list_standards():
        return _shipped(name).read_text(encoding="utf-8"), f"{name}.toml", Path()
    path = folder / Path(path_or_name)
    try:
        return path.read_bytes().decode("utf-8-sig"), path.name, path.parent
    except OSError as error:
        known = "、".join(list_standards())
        raise SettingsError(
            Fault(
                "standard.file",
                f"找不到标准 {name}",
                f"there is no standard {name}",
                f"内置标准：{known}；或写标准文件的路径",
                f"known: {known}; or give the path of a file",
                file=name,
            )
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            Fault(
                "standard.encoding",
                "标准文件不是 UTF-8",
                "the standard file is not UTF-8",
                "另存为 UTF-8",
                "save it as UTF-8",
                file=path.name,
            )
        ) from error


def _merged(text: str, file: str, folder: Path, seen: tuple[str, ...]) -> dict[str, Any]:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        row = re.search(r"line (\d+)", str(error))
        raise SettingsError(
            Fault(
                "standard.syntax",
                f"不是合法的 TOML：{error}",
                f"no valid TOML: {error}",
                "检查引号、括号与重复的键",
                "check quotes, brackets and repeated keys",
                file=file,
                row=int(row.group(1)) if row else None,
            )
        ) from error
    parent = raw.pop("extends", None)
    removed = raw.pop("remove", [])
    if parent is None:
        return raw
    if parent in seen or len(seen) > 8:  # noqa: PLR2004 (a chain that long is a circle of differently written paths)
        raise SettingsError(
            Fault(
                "standard.circle",
                f"extends 循环：{parent}",
                f"extends in a circle: {parent}",
                "去掉其中一个 extends",
                "take one extends away",
                file=file,
                column="extends",
            )
        )
    base_text, base_file, base_folder = _text(parent, folder)
    base = _merged(base_text, base_file, base_folder, (*seen, parent))
    _remove(base, removed, file)
    return _overlay(base, raw)


def _remove(base: dict[str, Any], removed: list[str], file: str) -> None:
    faults = []
    for name in removed:
        homes = [part for part in _PARTS if name in base.get(part, {})]
        for part in homes:
            del base[part][name]
        if not homes:
            faults.append(
                Fault(
                    "standard.remove",
                    f"没有可去掉的 {name}",
                    f"there is no {name} to remove",
                    "写规则、时限或督查的编号",
                    "give the id of a rule, clock or supervision",
                    file=file,
                    column="remove",
                )
            )
    if faults:
        raise SettingsError(faults)


def _overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; schedules of the file come before those inherited, since the first that fits holds."""
    out = dict(base)
    for key, value in top.items():
        old = base.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            merged = _overlay(old, value)
            out[key] = {k: merged[k] for k in (*value, *old)} if key == "schedules" else merged
        else:
            out[key] = value
    return out


def _fault(file: str, lines: dict[tuple[str | int, ...], int], error: Any) -> Fault:
    path = tuple(
        p
        for p in error["loc"]
        if p not in {"road", "rounds", "density", "community", "statement"} or p in error["loc"][:1]
    )
    zh, en = _WORDS.get(error["type"], (f"值不合规：{error['msg']}", error["msg"]))
    column = ".".join(f'"{p}"' if "." in str(p) else str(p) for p in path)
    if error["type"] == "value_error" and "msg" in error:
        en = error["msg"].removeprefix("Value error, ")
        zh = f"值不合规：{en}"
    return Fault(
        "standard.value",
        zh,
        en,
        "参看内置标准文件中的同名键",
        "see the same key in the shipped standard",
        file=file,
        row=line_of(lines, path),
        column=column or None,
    )
