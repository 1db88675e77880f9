"""PostgreSQL's binary COPY format for rows of fixed width, made and read with numpy (PostgreSQL manual, COPY, "Binary Format")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # signature, flags, length of the extension
TAIL = b"\xff\xff"
_WIDTH = {"int4": ">i4", "int8": ">i8", "float4": ">f4", "float8": ">f8", "bool": "i1"}


def row_dtype(columns: Mapping[str, str]) -> np.dtype[np.void]:
    """One row of a binary COPY: number of fields, then length and value of each, big endian."""
    fields: list[tuple[str, str]] = [("#", ">i2")]
    for name, kind in columns.items():
        fields += [(f"#{name}", ">i4"), (name, _WIDTH[kind])]
    return np.dtype(fields)


def dump(columns: Mapping[str, str], values: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """The rows as COPY … FROM STDIN (FORMAT binary) takes them, without head and tail."""
    dtype = row_dtype(columns)
    rows = np.empty(len(next(iter(values.values()))), dtype)
    rows["#"] = len(columns)
    for name, kind in columns.items():
        rows[f"#{name}"] = np.dtype(_WIDTH[kind]).itemsize
        rows[name] = values[name]
    return rows.tobytes()


def packed_query(columns: Mapping[str, str], source: str) -> str:
    """A query that returns each column as one bytea of packed big-endian values, rows in the order of `source` (a subquery's text)."""
    send = ", ".join(f"coalesce(string_agg({kind}send(\"{name}\"), ''), '')" for name, kind in columns.items())
    return f"SELECT {send} FROM ({source}) AS q"


def unpack(columns: Mapping[str, str], packed: tuple[bytes, ...]) -> dict[str, npt.NDArray[np.generic]]:
    """The columns of `packed_query`, in native byte order."""
    made = {}
    for (name, kind), raw in zip(columns.items(), packed, strict=True):
        big = np.frombuffer(raw, _WIDTH[kind])
        made[name] = big.astype(np.bool_) if kind == "bool" else big.astype(big.dtype.newbyteorder("="))
    return made
