"""Small tables (roster, exceptions, cases, check-ins) from CSV, XLSX, Parquet or a query: text cells with their row numbers.

Workbooks of offices have titles above the headings, merged cells and headings two lines deep; a merged cell counts in every
row that it covers.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.base import sha256_of, source_files
from etl.readers.content import check_workbook
from etl.readers.csv_records import read_heading, read_records, text_lines
from etl.readers.queries import stream_query
from etl.readers.tabular import (
    Chunk,
    detect_encoding,
    empty_fault,
    open_text,
    pick_sheet,
    readable,
    shown_value,
    stream_file,
    table_format,
    unique_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from etl.base import Context
    from layers.city import Source

_GAP = 5000  # empty rows or columns behind which a table is over
_BLANK = re.compile(r"[\s  ]+")


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Rows of a small table.

    Attributes:
        frame: text cells (None where empty) under the source's headings; RangeIndex.
        rows: row number of each in its file (lines of a text file, rows of a worksheet, from 1).
        files: name of the file that each row stands in, "" where the source is one file or a query.
        broken: rows that do not fit the headings: file, row number, text, reason.
        sha256, encoding: for the manifest.
    """

    frame: pd.DataFrame
    rows: npt.NDArray[np.int64]
    files: tuple[str, ...]
    broken: tuple[tuple[str, int, str, str], ...]
    sha256: str
    encoding: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    columns: tuple[str, ...]
    cells: list[list[str | None]]
    rows: list[int]
    broken: list[tuple[int, str, str]]
    encoding: str | None = None


def read_sheet(source: Source, context: Context) -> Sheet:
    """All rows of a small table, its files one after the other.

    Raises:
        InputError: a file is missing, empty or damaged, or the query fails.
    """
    if source.query is not None:
        digest = hashlib.sha256()
        stream = stream_query(source, digest)
        part = _gather(stream.columns, stream.chunks)
        return _joined([("", part)], digest.hexdigest)
    files = source_files(source, context.city)
    parts = [(f.name if len(files) > 1 else "", _read_file(f, source)) for f in files]
    return _joined(parts, lambda: sha256_of(files))


def _joined(parts: list[tuple[str, _Part]], digest: Any) -> Sheet:
    frames = [pd.DataFrame(p.cells, columns=list(p.columns), dtype="object") for _, p in parts]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return Sheet(
        frame=frame.astype("object").where(frame.notna(), None),
        rows=np.array([r for _, p in parts for r in p.rows], dtype=np.int64),
        files=tuple(name for name, p in parts for _ in p.rows),
        broken=tuple((name, *line) for name, p in parts for line in p.broken),
        sha256=digest(),
        encoding=next((p.encoding for _, p in parts if p.encoding), None),
    )


def _read_file(path: Path, source: Source) -> _Part:
    if path.stat().st_size == 0:
        raise empty_fault(path.name)
    kind = table_format(path, source)
    if kind == "csv":
        part = _read_csv(path, source)
    elif kind == "xlsx":
        part = _read_xlsx(path, source)
    else:
        stream = stream_file(path, source)
        part = _gather(stream.columns, stream.chunks)
    if not part.rows and not part.broken:
        raise empty_fault(path.name)
    return part


def clean(value: Any) -> str | None:
    """A cell as text: trimmed, whole numbers without decimals, midnight of a date cell as the bare date; None where empty."""
    if isinstance(value, str):
        return value.strip(" \t\r\n\u3000\u00a0\ufeff") or None
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    if isinstance(value, datetime):
        plain = value.time() == time(0) and value.tzinfo is None
        return value.date().isoformat() if plain else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value)


def _gather(columns: tuple[str, ...], chunks: Iterator[Chunk]) -> _Part:
    part = _Part(columns, [], [], [])
    for chunk in chunks:
        values = [chunk.table[i].to_pylist() for i in range(len(columns))]
        for number, row in zip(chunk.rows.tolist(), zip(*values, strict=True), strict=True):
            cells = [clean(c) for c in row]
            if any(c is not None and "\0" in c for c in cells):
                part.broken.append((number, ",".join(c or "" for c in cells), "text_nul"))
                continue
            part.cells.append(cells)
            part.rows.append(number)
        part.broken.extend(chunk.broken)
    return part


def _read_csv(path: Path, source: Source) -> _Part:
    """A text table by its records, quoted line breaks included; shorter rows are filled up, longer ones are broken."""
    encoding = (source.encoding or detect_encoding(path)).lower()
    with readable(path.name), open_text(path, "utf-8-sig" if encoding == "utf-8" else encoding) as text:
        lines = text_lines(text, path.name)
        heading = read_heading(lines, source.header_row, source.delimiter)
        if heading is None:
            raise empty_fault(path.name)
        columns = unique_names(heading.cells)
        records, _ = read_records(list(lines), heading.delimiter, len(columns))
    part = _Part(columns, [], [], [], encoding.upper())
    for record in records:
        number = heading.lines + record.line + 1
        cells = [clean(c) for c in record.cells]
        if record.code or any(cells[len(columns) :]):
            text_of = record.text.rstrip("\r\n") or heading.delimiter.join(record.cells)
            part.broken.append((number, text_of, record.code or "row_broken"))
        elif any(cells):
            part.cells.append([*cells, *[None] * (len(columns) - len(cells))][: len(columns)])
            part.rows.append(number)
    return part


def _read_xlsx(path: Path, source: Source) -> _Part:
    from openpyxl import load_workbook  # noqa: PLC0415 (only where a workbook is read)

    with readable(path.name):
        check_workbook(path)
        with path.open("rb") as stream:  # by its content: openpyxl refuses paths by their ending
            book = load_workbook(stream, data_only=True)
        sheet = book[pick_sheet(book.sheetnames, source, path.name)]
        cells = {at: v for at, c in sheet._cells.items() if (v := clean(shown_value(c))) is not None}  # noqa: SLF001
        merged = [(r.min_row, r.max_row, r.min_col, r.max_col) for r in sheet.merged_cells.ranges]
    stray = _stray(cells, merged)
    grid = _grid({at: v for at, v in cells.items() if at not in stray}, merged)
    for top, bottom, left, right in merged:
        for row in grid[top - 1 : bottom]:
            row[left - 1 : right] = [grid[top - 1][left - 1]] * (right - left + 1)
    first, columns = _headings(grid, merged, source.header_row)
    if not columns:
        raise empty_fault(path.name)
    part = _Part(columns, [], [], [(row, v, "cell_stray") for (row, _), v in sorted(stray.items())])
    for number, row in enumerate(grid[first:], start=first + 1):
        if any(row):
            part.cells.append(row)
            part.rows.append(number)
    return part


def _stray(cells: dict[tuple[int, int], str], merged: list[tuple[int, int, int, int]]) -> dict[tuple[int, int], str]:
    """Cells beyond a gap of `_GAP` empty rows or columns (XFD1048576, where a whole column was formatted): no part of the table."""
    ends = {(bottom, right) for _, bottom, _, right in merged}
    last = [0, 0]
    for axis in (0, 1):
        for n in sorted({at[axis] for at in cells} | {e[axis] for e in ends}):
            if n - last[axis] > _GAP:
                break
            last[axis] = n
    return {at: v for at, v in cells.items() if at[0] > last[0] or at[1] > last[1]}


def _grid(cells: dict[tuple[int, int], str], merged: list[tuple[int, int, int, int]]) -> list[list[str | None]]:
    """Cells as full rows from 1, wide and deep enough for what is merged."""
    rows = max([at[0] for at in cells] + [bottom for _, bottom, _, _ in merged], default=0)
    columns = max([at[1] for at in cells] + [right for *_, right in merged], default=0)
    grid: list[list[str | None]] = [[None] * columns for _ in range(rows)]
    for (row, column), value in cells.items():
        grid[row - 1][column - 1] = value
    return grid


def _headings(
    grid: list[list[str | None]], merged: list[tuple[int, int, int, int]], header_row: int
) -> tuple[int, tuple[str, ...]]:
    """How many rows the headings take with all above them, and the column names; `parent/child` where they are two lines deep."""
    at = header_row
    while at <= len(grid) and len(set(grid[at - 1]) - {None}) <= 1 and len(grid[at - 1]) > 1:
        at += 1  # a title, or nothing, above the headings
    if at > len(grid):
        at = header_row
    if not grid or at > len(grid):
        return at, ()
    upper = grid[at - 1]
    deep = any(t <= at <= b and r > l for t, b, l, r in merged if (t, b) == (at, at)) and at < len(grid)  # noqa: E741
    deep = deep or any(t == at and b == at + 1 for t, b, _, _ in merged)
    if not deep:
        return at, unique_names(upper)
    lower = grid[at]
    names = [u if u == v or v is None else v if u is None else f"{u}/{v}" for u, v in zip(upper, lower, strict=True)]
    return at + 1, unique_names(names)


def normal_word(text: str | None) -> str:
    """A word without blanks, full-width letters and brackets made half-width, lower case: how names and headings are compared."""
    import unicodedata  # noqa: PLC0415

    return _BLANK.sub("", unicodedata.normalize("NFKC", text or "")).lower()


def text_array(values: pd.Series[Any]) -> pa.Array:
    """A column of text cells for the parsers of times and numbers."""
    return pa.array([None if v is None or v is pd.NA else str(v) for v in values], type=pa.string())
