"""Tables from files and queries as a stream of Arrow chunks with their line numbers: CSV (plain or gzip, any encoding), Parquet, XLSX.

Text formats give text columns; what a cell means is for the reader to say. Memory is bounded by the size of a chunk.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from etl.readers.content import table_kind
from etl.readers.csv_records import LONGEST_LINE, long_line, read_heading, read_records, text_lines
from etl.readers.times import cell_text
from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from layers.city import Source

BLOCK_BYTES = 8 << 20
CHUNK_ROWS = 200_000
_SAMPLE_BYTES = 4 << 20
_BLANK_LINE = re.compile(rb"(?:\A|\n)[ \t]*\r?\n")
_ZEROS = re.compile(r'(?:"(?P<before>[^"]*)")?(?P<zeros>0{2,})(?:;.*)?')
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some rows of a table: `rows` are their numbers in the source (from 1), `broken` what does not fit: line, text, reason."""

    table: pa.Table
    rows: npt.NDArray[np.int64]
    broken: tuple[tuple[int, str, str], ...] = ()


@dataclass(slots=True)
class Stream:
    """A table that is read in chunks. `encoding` is None where the format fixes it."""

    columns: tuple[str, ...]
    chunks: Iterator[Chunk]
    encoding: str | None = None


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what libraries raise over a damaged file into one fault.

    Raises:
        InputError: the file is damaged, cut off, or of another format.
    """
    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as error:
        fix = '在城市文件中写 encoding = "GB18030" 或实际编码', 'write encoding = "GB18030" or the true encoding'
        raise InputError(
            Fault(
                "source.encoding",
                f"文字编码不符（{error.encoding}）",
                f"not in encoding {error.encoding}",
                *fix,
                file=name,
            )
        ) from error
    except MemoryError as error:
        raise InputError(
            Fault(
                "source.too_large",
                "内存不足，无法读取",
                "not enough memory to read it",
                "拆分该文件",
                "split the file",
                file=name,
            )
        ) from error
    except Exception as error:  # whatever a library throws over a damaged file
        fix = "重新导出或重新传输该文件", "export or transfer the file again"
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            Fault(
                "source.unreadable",
                f"文件损坏、不完整或格式不符（{words}）",
                f"damaged, cut off, or of another format ({words})",
                *fix,
                file=name,
            )
        ) from error


def empty_fault(name: str) -> InputError:
    """The error of a file without any row."""
    fix = "检查导出步骤", "check how it was exported"
    return InputError(Fault("source.empty", "文件为空，没有数据行", "the file is empty: no rows", *fix, file=name))


def stream_file(path: Path, source: Source, *, name: str | None = None) -> Stream:
    """Open one file of a source as a stream of chunks.

    Raises:
        InputError: the file is empty, damaged, or of a format that is no table.
    """
    shown = name or path.name
    if path.stat().st_size == 0:
        raise empty_fault(shown)
    kind = table_format(path, source)
    with readable(shown):
        if kind == "parquet":
            return _stream_parquet(path, shown)
        if kind == "xlsx":
            return _stream_xlsx(path, source, shown)
        return _stream_csv(path, source, shown)


def table_format(path: Path, source: Source) -> str:
    """Format of a table file: by its content where that is plain (a workbook is one under any name), as declared, else by its ending.

    Raises:
        InputError: the content is no table, or neither content nor ending are known and no format is declared.
    """
    endings = [s.lower() for s in path.suffixes]
    last = next((s for s in reversed(endings) if s != ".gz"), "")
    known = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
    known |= {".xlsx": "xlsx", ".xlsm": "xlsx", ".gpx": "gpx"}
    found = table_kind(path, known.get(last) if source.format == "auto" else source.format)
    if found is not None:
        return found
    problem = f"不认识的文件类型 {last or path.name}", f"unknown kind of file {last or path.name}"
    raise InputError(
        Fault("source.format", *problem, "在城市文件中写 format", "write its format in the city file", file=path.name)
    )


def detect_encoding(path: Path) -> str:
    """Encoding of a text file: by its byte order mark, else UTF-8 where all of it is, else GB18030.

    Of a compressed file only the first 4 MiB are looked at.
    """
    with _open_bytes(path) as stream:
        block = stream.read(_SAMPLE_BYTES)
        for mark, name in _BOMS:
            if block.startswith(mark):
                return name
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block:
                if not block.isascii() or decoder.getstate()[0]:
                    decoder.decode(block)
                block = b"" if _is_gzip(path) else stream.read(_SAMPLE_BYTES)
        except UnicodeDecodeError:
            return "gb18030"
    return "utf-8"


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _open_bytes(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb") if _is_gzip(path) else path.open("rb"))


def _blocks(stream: BinaryIO, encoding: str, name: str) -> Iterator[bytes]:
    """The text as UTF-8 in blocks that end with whole lines.

    Raises:
        InputError: a line is so long that this is no table.
    """
    decoder = None if encoding in {"utf-8", "utf-8-sig", "ascii"} else codecs.getincrementaldecoder(encoding)()
    rest, first = b"", True
    while raw := stream.read(BLOCK_BYTES):
        block = rest + (raw if decoder is None else decoder.decode(raw).encode())
        if first:
            block, first = block.removeprefix(codecs.BOM_UTF8), False
        cut = block.rfind(b"\n") + 1
        rest = block[cut:]
        if len(rest) > 2 * BLOCK_BYTES + LONGEST_LINE:
            raise long_line(name, 0)
        if cut:
            yield block[:cut]
    if decoder is not None:
        rest += decoder.decode(b"", final=True).encode()
    if rest:
        yield rest


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """A text file, decompressed where it is gzip."""
    return io.TextIOWrapper(_open_bytes(path), encoding=encoding, newline="")


def unique_names(cells: Iterable[Any]) -> tuple[str, ...]:
    """Column names out of heading cells: trimmed, empty ones numbered, repeated ones numbered on."""
    out: list[str] = []
    for i, cell in enumerate(cells, start=1):
        base = " ".join(str(cell).split()) if cell is not None and str(cell).strip() else f"列{i}"
        name, n = base, 1
        while name in out:
            n += 1
            name = f"{base}_{n}"
        out.append(name)
    return tuple(out)


def _stream_csv(path: Path, source: Source, name: str) -> Stream:
    encoding = (source.encoding or detect_encoding(path)).lower()
    with open_text(path, "utf-8-sig" if encoding == "utf-8" else encoding) as text:
        heading = read_heading(text_lines(text, name), source.header_row, source.delimiter)
    if heading is None:
        raise empty_fault(name)
    columns = unique_names(heading.cells)
    chunks = _csv_chunks(path, encoding, heading.delimiter, columns, heading.lines, name)
    return Stream(columns, chunks, encoding.upper())


def _csv_chunks(
    path: Path, encoding: str, delimiter: str, columns: tuple[str, ...], header_lines: int, name: str
) -> Iterator[Chunk]:
    line, skip, rest = 1, header_lines, b""
    with readable(name), _open_bytes(path) as stream:
        for block, final in _with_last(_blocks(stream, encoding, name)):
            body = rest + block
            while skip and body:
                cut = body.find(b"\n") + 1 or len(body)
                body, skip, line = body[cut:], skip - 1, line + 1
            if body:
                chunk, used, rest = _parse_block(body, line, delimiter, columns, final=final)
                line += used
                if len(chunk.rows) or chunk.broken:
                    yield chunk


def _with_last(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Blocks, and whether each is the last."""
    held = next(blocks, None)
    while held is not None:
        following = next(blocks, None)
        yield held, following is None
        held = following


def _parse_block(
    body: bytes, line: int, delimiter: str, columns: tuple[str, ...], *, final: bool
) -> tuple[Chunk, int, bytes]:
    """Rows of some whole lines, how many lines they took, and what is left over: a record that goes on in the next block."""
    used = body.count(b"\n") + (not body.endswith(b"\n"))
    fast = None if b"\0" in body else _fast_block(body, line, delimiter, columns, used)
    return (fast, used, b"") if fast is not None else _slow_block(body, line, delimiter, columns, final=final)


def _fast_block(body: bytes, line: int, delimiter: str, columns: tuple[str, ...], used: int) -> Chunk | None:
    """Rows of a block of which every line is a row; None where it holds line breaks in quotes or a quote that nothing closes."""
    try:
        table, bad = _arrow_csv(body, delimiter, columns, threads=True)
        if bad:  # only one thread knows the line numbers
            table, bad = _arrow_csv(body, delimiter, columns, threads=False)
    except pa.ArrowInvalid:
        if b'"' not in body:
            raise
        return None
    last = body[body.rfind(b"\n", 0, len(body) - 1) + 1 :]
    if len(table) + len(bad) != used or any(b'"' in t for t in (last, *(text.encode() for _, text in bad))):
        return None  # count them one by one
    rows = np.arange(line, line + used, dtype=np.int64)
    if bad:
        rows = np.delete(rows, np.array([number - 1 for number, _ in bad]))
    if _BLANK_LINE.search(body):
        blank = [line + i for i, text in enumerate(body.split(b"\n")) if not text.strip()]
        kept = ~np.isin(rows, np.array(blank, dtype=np.int64))
        table, rows = table.filter(pa.array(kept)), rows[kept]
    aside = tuple((line + number - 1, text, "row_broken") for number, text in bad if text.strip())
    return Chunk(table, rows, aside)


def _arrow_csv(
    body: bytes, delimiter: str, columns: tuple[str, ...], *, threads: bool
) -> tuple[pa.Table, list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []

    def aside(row: Any) -> str:
        bad.append((row.number or 0, row.text))
        return "skip"

    table = pa_csv.read_csv(
        pa.BufferReader(body),
        read_options=pa_csv.ReadOptions(column_names=list(columns), use_threads=threads, block_size=len(body) + 1),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=aside, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        ),
    )
    return table, bad


def _slow_block(
    body: bytes, line: int, delimiter: str, columns: tuple[str, ...], *, final: bool
) -> tuple[Chunk, int, bytes]:
    lines = body.decode().split("\n")
    lines = lines if lines[-1] else lines[:-1]
    records, used = read_records(lines, delimiter, len(columns), final=final)
    good = [
        r for r in records if not r.code and len(r.cells) == len(columns) and (len(r.cells) > 1 or r.cells[0].strip())
    ]
    aside = [r for r in records if r.code or (len(r.cells) != len(columns) and any(c.strip() for c in r.cells))]
    broken = tuple(
        (line + r.line, r.text.rstrip("\r") or delimiter.join(r.cells), r.code or "row_broken") for r in aside
    )
    rows = np.array([line + r.line for r in good], dtype=np.int64)
    rest = "\n".join(lines[used:]).encode() + (b"\n" if used < len(lines) else b"")
    return Chunk(text_table(columns, [r.cells for r in good]), rows, broken), used, rest


def text_table(columns: tuple[str, ...], cells: list[Any]) -> pa.Table:
    """Rows of text cells as an Arrow table of text columns."""
    by_column = list(zip(*cells, strict=True)) if cells else [() for _ in columns]
    return pa.table({n: pa.array(list(c), type=pa.string()) for n, c in zip(columns, by_column, strict=True)})


def _stream_parquet(path: Path, name: str) -> Stream:
    file = pq.ParquetFile(path)
    if file.metadata.num_rows == 0:
        raise empty_fault(name)
    names = file.schema_arrow.names
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        fix = "重新导出，每列一个名称", "export it again with one name a column"
        raise InputError(
            Fault(
                "source.column",
                f"列名重复：{'、'.join(twice)}",
                f"repeated columns: {', '.join(twice)}",
                *fix,
                file=name,
            )
        )
    return Stream(tuple(file.schema_arrow.names), _parquet_chunks(file, name))


def _parquet_chunks(file: pq.ParquetFile, name: str) -> Iterator[Chunk]:
    start = 1
    with readable(name):
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            yield Chunk(pa.Table.from_batches([batch]), np.arange(start, start + len(batch), dtype=np.int64))
            start += len(batch)


def _stream_xlsx(path: Path, source: Source, name: str) -> Stream:
    from openpyxl import load_workbook  # noqa: PLC0415 (only where a workbook is read)

    book = load_workbook(
        io.BytesIO(path.read_bytes()), read_only=True, data_only=True
    )  # by its content, not its ending
    sheet = book[pick_sheet(book.sheetnames, source, name)]
    rows = (tuple(shown_value(c) for c in row) for row in sheet.iter_rows(min_row=source.header_row))
    heading = next(rows, None)
    if heading is None or all(c is None for c in heading):
        raise empty_fault(name)
    columns = unique_names(heading)
    return Stream(columns, _row_chunks(rows, columns, source.header_row + 1, name))


def shown_value(cell: Any) -> Any:
    """Value of a cell; a whole number whose format fills it up with zeros (`000`, `"A"0000`) as the text that it shows, 007."""
    value = cell.value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        return value
    found = _ZEROS.fullmatch(cell.number_format or "")
    return value if found is None else (found["before"] or "") + str(int(value)).zfill(len(found["zeros"]))


def pick_sheet(names: list[str], source: Source, name: str) -> str:
    """Name of the worksheet that a source means: by name, by number from 1, else the first.

    Raises:
        InputError: no such sheet.
    """
    if not names:
        raise InputError(
            Fault(
                "source.sheet",
                "工作簿没有工作表",
                "the workbook has no worksheet",
                "重新导出该文件",
                "export the file again",
                file=name,
            )
        )
    if source.sheet is None:
        return names[0]
    if isinstance(source.sheet, int) and 1 <= source.sheet <= len(names):
        return names[source.sheet - 1]
    if source.sheet in names:
        return str(source.sheet)
    fix = f"现有工作表：{'、'.join(names)}", f"it has: {', '.join(names)}"
    raise InputError(
        Fault("source.sheet", f"没有工作表 {source.sheet}", f"no worksheet {source.sheet}", *fix, file=name)
    )


def _row_chunks(rows: Iterable[tuple[Any, ...]], columns: tuple[str, ...], start: int, name: str) -> Iterator[Chunk]:
    """Chunks of text from rows of typed cells; rows without any value are passed over."""
    numbered = ((n, [cell_text(c) for c in row]) for n, row in enumerate(rows, start=start))
    filled = ((n, row) for n, row in numbered if any(c is not None for c in row))
    with readable(name):
        while part := list(islice(filled, CHUNK_ROWS)):
            cells = [[*row[: len(columns)], *[None] * (len(columns) - len(row))] for _, row in part]
            yield Chunk(text_table(columns, cells), np.array([n for n, _ in part], dtype=np.int64))
