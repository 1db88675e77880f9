"""Records of a text table out of its lines: the one place that knows what a quotation mark opens and where it closes.

A field in quotes may hold line breaks. A mark that is never closed, or that would swallow lines which are rows of their own, belongs to its
line alone: that line is set aside by its number, and reading goes on with the next.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_LINES = 1000  # of one record
LONGEST_LINE = 4 << 20  # characters; no table has such a line, a file of another format may
_DELIMITERS = (",", "\t", ";", "|")
_SEPARATOR_LINE = re.compile(r"^\ufeff?sep=(.)\s*$", re.IGNORECASE)
_MARK = "\ue000"  # a character that no table has: a line of its own behind a line tells whether that one was closed
_SOME_COLUMNS = 3  # from here on a line with the right number of delimiters is taken for a row


@dataclass(frozen=True, slots=True)
class Record:
    """One record: number of its first line (from 0), its cells, and the reason where it is none (its line is `text` then)."""

    line: int
    cells: list[str]
    text: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """Cells of the headings, the delimiter, and how many lines they take with all above them."""

    cells: list[str]
    delimiter: str
    lines: int


def text_lines(text: TextIO, name: str) -> Iterator[str]:
    """Lines of a text with their ends, none longer than `LONGEST_LINE`.

    Raises:
        InputError: a line is longer.
    """
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise long_line(name, number)
        yield line


def long_line(name: str, number: int) -> InputError:
    """The error of a line that no table has."""
    most = f"{LONGEST_LINE >> 20} MiB"
    return InputError(
        Fault("source.long_line", f"一行长于 {most}，不是表格", f"a line is longer than {most}: this is no table",
              "检查文件格式与换行符", "look at the format and the line ends of the file", file=name, row=number)
    )  # fmt: skip


def read_heading(lines: Iterator[str], header_row: int, delimiter: str | None) -> Heading | None:
    """The headings in line `header_row` (from 1; a `sep=;` line above is passed over), or None; they may hold line breaks in quotes."""
    used = 0
    line = ""
    while used < header_row:
        line = next(lines, "")
        if not line:
            return None
        used += 1
        found = _SEPARATOR_LINE.match(line) if used == 1 else None
        if found is not None:
            delimiter, header_row = delimiter or found[1], max(header_row, 2)
    if not line.strip():
        return None
    chosen = delimiter or sniff_delimiter(line)
    cells, closed = _one(line, chosen)
    text = [line]
    while not closed and len(text) < MOST_LINES and (more := next(lines, "")):
        text.append(more)
        closed, cells = _joined(text, chosen) if '"' in more else (False, cells)
    return Heading(cells, chosen, used + len(text) - 1)


def sniff_delimiter(header: str) -> str:
    """The delimiter that a heading uses most, a comma where it uses none."""
    return max(_DELIMITERS, key=header.count)


def read_records(lines: Sequence[str], delimiter: str, width: int, *, final: bool = True) -> tuple[list[Record], int]:
    """Records of some lines, blank ones included as they are.

    Args:
        lines: with or without their ends.
        delimiter: of one character.
        width: number of columns of the table.
        final: whether nothing follows; where something does, a record that the lines do not end is left over.

    Returns:
        The records, and how many lines they took.
    """
    out: list[Record] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if "\0" in line:
            out.append(Record(at, [], line, "text_nul"))
        elif '"' not in line:
            out.append(Record(at, line.rstrip("\r\n").split(delimiter)))
        else:
            cells, closed = _one(line, delimiter)
            if closed:
                out.append(Record(at, cells) if cells else Record(at, [], line, "row_broken"))
            else:
                record, end = _spanning(lines, at, delimiter, width, len(cells) - 1)
                if record is None and not final and end == len(lines):
                    return out, at
                if record is not None:
                    out.append(record)
                    at = end
                    continue
                out.append(Record(at, [], line, "quote_open"))
        at += 1
    return out, at


def _one(line: str, delimiter: str) -> tuple[list[str], bool]:
    """Cells of one line, and whether its quotes are closed at its end; no cells where it cannot be read."""
    try:
        rows = list(csv.reader([line.rstrip("\r\n") + "\n", _MARK], delimiter=delimiter))
    except csv.Error:  # a field beyond the limit of the library, a lone carriage return
        return [], True
    return rows[0], len(rows) > 1


def _is_row(line: str, delimiter: str, width: int) -> bool:
    """Whether a line by itself is a row of the table."""
    if '"' not in line:
        return line.count(delimiter) == width - 1
    cells, closed = _one(line, delimiter)
    return closed and len(cells) == width


def _joined(lines: Sequence[str], delimiter: str) -> tuple[bool, list[str]]:
    """Whether lines are one record whose quotes are closed, and its cells.

    Raises:
        csv.Error: text stands behind a closing quote.
    """
    try:
        rows = list(csv.reader([x if x.endswith("\n") else x + "\n" for x in lines], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            return False, []
        raise
    return True, rows[0]


def _spanning(lines: Sequence[str], at: int, delimiter: str, width: int, opened: int) -> tuple[Record | None, int]:
    """The record that begins with an open quote in column `opened` (from 0) of line `at`, and the line behind it, or None."""
    for end in range(at + 1, min(len(lines), at + MOST_LINES)):
        line = lines[end]
        try:
            closed, cells = _joined(lines[at : end + 1], delimiter) if '"' in line else (False, [])
        except csv.Error:
            return None, end
        row = width >= _SOME_COLUMNS and (opened or not closed) and _is_row(line, delimiter, width)
        if row or "\0" in line:  # a row of its own that would be swallowed
            return None, end
        if closed:
            return (Record(at, cells), end + 1) if len(cells) == width else (None, end)
    return None, min(len(lines), at + MOST_LINES)
