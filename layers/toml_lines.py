"""Where a key of a TOML text stands: line numbers for the faults of city and standard files."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")
_PART = re.compile(r"""\s*("[^"]*"|'[^']*'|[^.\s"']+)\s*\.?""")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'')


def _parts(dotted: str) -> list[str]:
    return [p.strip("\"'") for p in _PART.findall(dotted)]


def _depth(line: str) -> int:
    """Brackets that a line leaves open, strings and comments set aside."""
    bare = _STRING.sub("", line).split("#", 1)[0]
    return sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")


def key_lines(text: str) -> dict[Path, int]:
    """Line (from 1) of every table header and key of a TOML text.

    Entries of an array of tables carry their index: ("source", 0, "path"). Keys of inline tables are not listed; look up their parent
    with `line_of`.
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    prefix: Path = ()
    depth, fence = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if fence:
            fence = "" if fence in line else fence
            continue
        if depth > 0:
            depth += _depth(line)
            continue
        header = _HEADER.match(line)
        if header:
            prefix = _enter(header.group(2), counts, array=header.group(1) == "[[")
            lines.setdefault(prefix, number)
            continue
        key = _KEY.match(line)
        if not key:
            continue
        path = (*prefix, *_parts(key.group(1)))
        for end in range(len(prefix) + 1, len(path) + 1):
            lines.setdefault(path[:end], number)
        rest = line[key.end() :]
        fence = next((f for f in ('"""', "'''") if rest.count(f) == 1), "")
        depth = 0 if fence else max(0, _depth(rest))
    return lines


def _enter(dotted: str, counts: dict[Path, int], *, array: bool) -> Path:
    """Path of a table header; its parents' newest array entries are filled in."""
    path: Path = ()
    names = _parts(dotted)
    for place, name in enumerate(names):
        path = (*path, name)
        if array and place == len(names) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """Line of a key, or of the nearest thing around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None
