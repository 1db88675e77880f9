"""Whether a file is whole, told from its own head before any library is asked to read it: libraries read what is left and say nothing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from etl.dbf import read_header
from gis.errors import Fault

if TYPE_CHECKING:
    from pathlib import Path

_SHP_HEAD = 100
_SHX_RECORD = 8


def sidecar(path: Path, ending: str) -> Path | None:
    """The file beside a shapefile with that ending, whatever its case."""
    for candidate in (path.with_suffix(ending), path.with_suffix(ending.upper())):
        if candidate.is_file():
            return candidate
    return None


def empty(name: str) -> Fault:
    """The fault of a file without a row."""
    return Fault("source.empty", "文件是空的，没有一行数据", "the file is empty: it has no row of data",
                 "向提供方重新索取，或从城市文件中去掉此来源", "ask the supplier again, or take the source out of the city file",
                 file=name)  # fmt: skip


def truncated(name: str, *, should: int | None = None, has: int | None = None, detail: str = "") -> Fault:
    """The fault of a file that ends too early."""
    zh = f"应有 {should} 字节，实有 {has} 字节" if should is not None else detail
    en = f"{should} bytes expected, {has} found" if should is not None else detail
    return Fault("source.truncated", f"文件不完整：{zh}", f"the file is cut short: {en}", "重新复制或下载该文件",
                 "copy or download it again", file=name)  # fmt: skip


def damaged(name: str, error: Exception) -> Fault:
    """The fault of a file in which something stands that its format does not allow; the driver's own words say what."""
    detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return Fault("source.damaged", f"文件内容不合其格式（{detail}）", f"its content breaks its format ({detail})",
                 "重新导出该文件", "export the file again", file=name)  # fmt: skip


def file_faults(path: Path) -> list[Fault]:
    """What keeps a vector file from being read whole; an empty list where nothing does."""
    if path.stat().st_size == 0:
        return [empty(path.name)]
    check = {".shp": _shapefile, ".gpkg": _geopackage, ".parquet": _parquet, ".geoparquet": _parquet}.get(
        path.suffix.lower()
    )
    return check(path) if check else []


def _size_fault(path: Path, should: int) -> list[Fault]:
    has = path.stat().st_size
    return [truncated(path.name, should=should, has=has)] if has < should else []


def _shapefile(path: Path) -> list[Fault]:
    """Lengths that the heads of .shp and .dbf state, and the companions without which a shapefile cannot be read."""
    missing = [e for e in (".shx", ".dbf") if sidecar(path, e) is None]
    if missing:
        return [
            Fault("source.sidecar", f"缺少同名的 {e} 文件", f"its {e} file is missing", "将 .shp、.shx、.dbf、.prj 一并复制",
                  "copy .shp, .shx, .dbf and .prj together", file=path.name)
            for e in missing
        ]  # fmt: skip
    with path.open("rb") as stream:
        head = stream.read(_SHP_HEAD)
    if len(head) < _SHP_HEAD:
        return _size_fault(path, _SHP_HEAD)
    faults = _size_fault(path, 2 * int.from_bytes(head[24:28], "big"))
    dbf, shx = sidecar(path, ".dbf"), sidecar(path, ".shx")
    if dbf is None or shx is None:  # both were found above
        return faults
    table = read_header(dbf.read_bytes())
    faults += _size_fault(dbf, table.head_bytes + table.rows * table.row_bytes)
    shapes = (shx.stat().st_size - _SHP_HEAD) // _SHX_RECORD
    if not faults and shapes != table.rows:
        faults.append(truncated(shx.name, detail=f".shx {shapes} / .dbf {table.rows}"))
    return faults


def _geopackage(path: Path) -> list[Fault]:
    """Pages that the head states (SQLite file format, 1.3), and whether it opens at all."""
    with path.open("rb") as stream:
        head = stream.read(100)
    if not head.startswith(b"SQLite format 3\0") or len(head) < 100:  # noqa: PLR2004 (bytes of the head)
        return [truncated(path.name, detail="SQLite")]
    page = int.from_bytes(head[16:18], "big")
    faults = _size_fault(path, (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big"))
    if faults:
        return faults
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as db:
            db.execute("SELECT count(*) FROM gpkg_contents").fetchone()
    except sqlite3.DatabaseError as error:
        return [truncated(path.name, detail=str(error))]
    finally:
        db.close()
    return []


def _parquet(path: Path) -> list[Fault]:
    """A Parquet file begins and ends with the same four bytes."""
    data_end = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, data_end - 4))
        tail = stream.read(4)
    return [] if head == tail == b"PAR1" else [truncated(path.name, detail="PAR1")]
