"""Mutations of bytes and, inside ZIP containers (workbooks), of their members: what crashes, careless hands and malice make of files."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

SPECIAL = (
    b"\0", b'"', b"'", b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1a", b"<", b">", b"&", b"]]>", b"{", b"[", b"\xd8\x00",
    "，".encode(), "。".encode("gb18030"), b"NaN", b"Infinity", b"-0", b"1e999", b"999999999999999999999", b"-1", b"0,0", b"\\N", b"NULL", b"#REF!", b"=1+1",
    b"2026-02-30", b"24:00:00", b"46099.354", b"1773800000", b"1773800000000", "上午".encode(), b"!ENTITY", b"%00", b"../", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff",
)  # fmt: skip


def mutate(body: bytes, dice: random.Random, *, depth: int = 0) -> bytes:
    """A few changes of a file; now and then of a member of a ZIP file, which is packed again."""
    if depth == 0 and body[:2] == b"PK" and dice.random() < 0.7:
        return _inside(body, dice)
    made = bytearray(body)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        dice.choice(_CHANGES)(made, dice)
    return bytes(made)


def _inside(body: bytes, dice: random.Random) -> bytes:
    """Change one member, or drop one, or double one."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = [(i.filename, archive.read(i)) for i in archive.infolist()]
    except (zipfile.BadZipFile, OSError):
        return mutate(body, dice, depth=1)
    at = dice.randrange(len(members))
    name, inner = members[at]
    what = dice.random()
    if what < 0.1:
        del members[at]
    else:
        members[at] = (name, mutate(inner, dice, depth=1))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, b in members:
            archive.writestr(n, b)
    return sink.getvalue()


def _place(made: bytearray, dice: random.Random) -> int:
    return dice.randrange(len(made) + 1)


def _flip(made: bytearray, dice: random.Random) -> None:
    if made:
        made[dice.randrange(len(made))] ^= 1 << dice.randrange(8)


def _set(made: bytearray, dice: random.Random) -> None:
    if made:
        made[dice.randrange(len(made))] = dice.choice((0, 0xFF, 0x7F, 0x80, 0x22, 0x2C, 0x0A))


def _insert(made: bytearray, dice: random.Random) -> None:
    at = _place(made, dice)
    made[at:at] = dice.choice(SPECIAL)


def _replace(made: bytearray, dice: random.Random) -> None:
    at, new = _place(made, dice), dice.choice(SPECIAL)
    made[at : at + len(new)] = new


def _cut(made: bytearray, dice: random.Random) -> None:
    del made[_place(made, dice) :]


def _remove(made: bytearray, dice: random.Random) -> None:
    at = _place(made, dice)
    del made[at : at + dice.choice((1, 2, 8, 64, 512))]


def _double(made: bytearray, dice: random.Random) -> None:
    at = _place(made, dice)
    piece = bytes(made[at : at + dice.choice((1, 8, 64, 1024))])
    made[at:at] = piece * dice.choice((1, 2, 50))


def _number(made: bytearray, dice: random.Random) -> None:
    """Change a digit: coordinates, counts and lengths go astray."""
    digits = [i for i in range(min(len(made), 20_000)) if 0x30 <= made[i] <= 0x39]
    if digits:
        made[dice.choice(digits)] = 0x30 + dice.randrange(10)


def _lines(made: bytearray, dice: random.Random) -> None:
    """Shuffle, drop or repeat lines."""
    lines = bytes(made).splitlines(keepends=True)
    if len(lines) > 1:
        k = dice.randrange(len(lines))
        lines[k : k + 1] = dice.choice(([], [lines[k]] * 3, [lines[0], lines[k]], [lines[k].rstrip(b"\r\n")]))
        made[:] = b"".join(lines)


_CHANGES = (_flip, _set, _insert, _insert, _replace, _replace, _cut, _remove, _double, _number, _number, _lines)
