"""Text of dBASE files: in which encoding it really is. Chinese offices ship GBK and GB18030, with a wrong .cpg, or with none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

_END_OF_FIELDS, _BEYOND_ASCII = 0x0D, 0x80
_ENOUGH_BYTES = 6  # non-ASCII bytes from which on valid UTF-8 is no accident
_ALIASES = {
    "936": "GBK",
    "cp936": "GBK",
    "oem": "GBK",
    "gb2312": "GBK",
    "65001": "UTF-8",
    "utf8": "UTF-8",
    "88591": "ISO-8859-1",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the head of a dBASE file says: rows, bytes of the head and of a row, text fields as (name, offset in the row, width)."""

    rows: int
    head_bytes: int
    row_bytes: int
    texts: tuple[tuple[bytes, int, int], ...]


def read_header(data: bytes) -> Header:
    """Parse the head of a dBASE file."""
    rows = int.from_bytes(data[4:8], "little")
    head, width = int.from_bytes(data[8:10], "little"), int.from_bytes(data[10:12], "little")
    texts, offset = [], 1  # the deletion mark comes first
    for at in range(32, head - 31, 32):
        if data[at] == _END_OF_FIELDS:
            break
        length = data[at + 16]
        if data[at + 11 : at + 12] == b"C":
            texts.append((data[at : at + 11].split(b"\0")[0], offset, length))
        offset += length
    return Header(rows, head, width, tuple(texts))


@dataclass(frozen=True, slots=True)
class Text:
    """A distinct text with bytes beyond ASCII: the first row (from 1) and the field in which it stands; row 0 is a field's name."""

    row: int
    field: bytes
    value: bytes


def texts_of(path: Path) -> list[Text]:
    """Distinct texts beyond ASCII of a dBASE file, in order of field and value."""
    data = path.read_bytes()
    header = read_header(data)
    found = [Text(0, name, name) for name, _, _ in header.texts if not name.isascii()]
    rows = min(header.rows, (len(data) - header.head_bytes) // max(1, header.row_bytes))
    if rows <= 0:
        return found
    body = np.frombuffer(data, np.uint8, rows * header.row_bytes, header.head_bytes).reshape(rows, header.row_bytes)
    for name, offset, width in header.texts:
        column = np.ascontiguousarray(body[:, offset : offset + width])
        if not (column >= _BEYOND_ASCII).any():
            continue
        values, first = np.unique(column.view(f"S{width}").ravel(), return_index=True)
        found += [
            Text(int(i) + 1, name, v.rstrip(b" \0")) for v, i in zip(values, first, strict=True) if not v.isascii()
        ]
    return found


def decode(value: bytes, encoding: str) -> str | None:
    """The text, or None where the encoding does not fit; a last character that the field's width cut off is left out."""
    for cut in range(4):
        try:
            return value[: len(value) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.end < len(value) - cut:
                return None
    return None


def first_misfit(texts: list[Text], encoding: str) -> Text | None:
    """The first text (by row) that an encoding cannot be: it does not decode, or it is surely UTF-8 and the encoding is not."""
    name = canonical(encoding)
    bad = [t for t in texts if decode(t.value, name) is None]
    if not bad and name != "UTF-8" and _surely_utf8(texts):
        bad = texts
    return min(bad, key=lambda t: t.row, default=None)


def _surely_utf8(texts: list[Text]) -> bool:
    beyond = sum(sum(b >= _BEYOND_ASCII for b in t.value) for t in texts)
    return beyond >= _ENOUGH_BYTES and all(decode(t.value, "UTF-8") is not None for t in texts)


def canonical(encoding: str) -> str:
    """The usual name of an encoding, as .cpg files abbreviate it."""
    bare = encoding.strip().lower().replace("ansi ", "").replace("-", "").replace("_", "").replace(" ", "")
    return _ALIASES.get(bare, encoding.strip().upper() if bare in {"gbk", "gb18030"} else encoding.strip())


def detect(texts: list[Text]) -> str:
    """The encoding of some texts: UTF-8 where all of them are, else GB18030 (which holds GBK), else ISO-8859-1."""
    if not texts:
        return "UTF-8"
    for name in ("UTF-8", "GB18030"):
        if all(decode(t.value, name) is not None for t in texts):
            return name
    return "ISO-8859-1"


def declared_by(path: Path) -> str | None:
    """What the .cpg beside a dBASE file says, None where there is none or it says nothing that Python knows."""
    for ending in (".cpg", ".CPG", ".Cpg"):
        cpg = path.with_suffix(ending)
        if cpg.is_file():
            name = canonical(cpg.read_text("ascii", errors="replace"))
            try:
                "".encode(name)
            except LookupError:
                return None
            return name
    return None
