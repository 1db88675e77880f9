"""What a file is by its content, whatever its name says: offices export web pages as .xls, workbooks as .csv, text as .xls."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 1 << 29  # of a workbook unpacked
MOST_MERGED = 1_000_000  # cells of one range
_MERGED = re.compile(rb'<mergeCell\s[^>]*ref="([A-Z]+\d+:[A-Z]+\d+)"')
_HEAD_BYTES = 4096
_TABLES = {"xlsx", "parquet"}
"""Kinds that can be read as tables whatever the file is called."""

_SAVE_AS = (
    "用 Excel 或 WPS 打开，另存为 .xlsx（不加密码）或 .csv",
    "open it in a spreadsheet program and save it as .xlsx (without a password) or .csv",
)
_UNPACK = "先解压，再写其中文件的路径", "unpack it, and give the path of the file in it"
_EXPORT = "向提供方索取 .xlsx 或 .csv 表格", "ask the supplier for a table as .xlsx or .csv"
_WORDS: dict[str, tuple[str, str, tuple[str, str]]] = {
    "html": ("网页（HTML），不是工作簿", "a web page (HTML), no workbook", _SAVE_AS),
    "mht": ("单个文件网页（MHT），不是工作簿", "a web archive (MHT), no workbook", _SAVE_AS),
    "ole": (
        "旧版 Excel 97-2003 工作簿，或加了密码的工作簿",
        "a workbook of Excel 97-2003, or one with a password",
        _SAVE_AS,
    ),
    "sheet_xml": ("Excel 2003 XML 表格", "an Excel 2003 XML spreadsheet", _SAVE_AS),
    "ods": ("OpenDocument 表格（.ods）", "an OpenDocument spreadsheet (.ods)", _SAVE_AS),
    "xlsb": ("二进制工作簿（.xlsb）", "a binary workbook (.xlsb)", _SAVE_AS),
    "docx": ("Word 文档", "a Word document", _EXPORT),
    "zip": ("压缩包（ZIP）", "an archive (ZIP)", _UNPACK),
    "zip_secret": ("加了密码的压缩包（ZIP）", "an archive with a password (ZIP)", _UNPACK),
    "rar": ("压缩包（RAR）", "an archive (RAR)", _UNPACK),
    "7z": ("压缩包（7z）", "an archive (7z)", _UNPACK),
    "pdf": ("PDF 文档", "a PDF document", _EXPORT),
    "image": ("图片", "a picture", _EXPORT),
    "sqlite": ("SQLite 数据库或 GeoPackage", "an SQLite database or GeoPackage", _EXPORT),
}
_MAGIC = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"PAR1", "parquet"),
    (b"%PDF", "pdf"),
    (b"Rar!", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"SQLite format 3\0", "sqlite"),
    (b"MIME-Version:", "mht"),
)
_HTML = re.compile(
    rb"^\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|meta|body|table|style)\b", re.IGNORECASE | re.DOTALL
)


def content_kind(path: Path) -> str | None:
    """Kind of a file by its first bytes; None: text, or what nothing here knows."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            head = head[2:].decode(encoding, errors="ignore").encode()
    head = head.removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(head):
        return "html"
    if head.lstrip().startswith(b"<?xml"):
        if b"urn:schemas-microsoft-com:office:spreadsheet" in head:
            return "sheet_xml"
        return "html" if b"<html" in head.lower() else None
    return None


def check_workbook(path: Path) -> None:
    """Stop before a workbook fills the memory: its parts unpacked, and its merged ranges.

    Raises:
        InputError: it unpacks to more than `MOST_BYTES`, or merges more than `MOST_MERGED` cells in one range.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if sum(p.file_size for p in parts) > MOST_BYTES:
            most = f"{MOST_BYTES >> 20} MiB"
            fix = "拆分工作簿，或另存为 .csv", "split the workbook, or save it as .csv"
            problem = f"工作簿解开后超过 {most}", f"the workbook unpacks to more than {most}"
            raise InputError(Fault("source.too_large", *problem, *fix, file=path.name))
        for part in parts:
            if part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml"):
                for ref in _MERGED.findall(archive.read(part)):
                    _check_range(ref.decode(), path)


def _check_range(ref: str, path: Path) -> None:
    from openpyxl.utils import range_boundaries  # noqa: PLC0415 (only where a workbook is read)

    left, top, right, bottom = (n or 0 for n in range_boundaries(ref))
    if (right - left + 1) * (bottom - top + 1) > MOST_MERGED:
        fix = "取消该合并单元格后另存", "take the merge off and save the workbook again"
        problem = f"合并单元格 {ref} 过大", f"the merged range {ref} is too large"
        raise InputError(Fault("source.too_large", *problem, *fix, file=path.name))


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(i.flag_bits & 1 for i in archive.infolist()):
                return "zip_secret"
            if "mimetype" in names and b"opendocument.spreadsheet" in archive.open("mimetype").read(200):
                return "ods"
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return "xlsx"  # cut off: the reader of workbooks says so
    if any(n.startswith("xl/") for n in names):
        return "xlsb" if "xl/workbook.bin" in names else "xlsx"
    return "docx" if any(n.startswith("word/") for n in names) else "zip"


def table_kind(path: Path, said: str | None) -> str | None:
    """The format of a table: by its content where that is plain, else what its name or the city file said.

    Raises:
        InputError: the content is no table that can be read; says what it is and what to do.
    """
    found = content_kind(path)
    if found in _TABLES:
        return found
    if found is not None:
        zh, en, fix = _WORDS[found]
        raise InputError(Fault("source.disguised", f"文件内容是{zh}", f"the file is {en}", *fix, file=path.name))
    return "csv" if said is None and path.suffix.lower() == ".xls" else said
