"""Files of an export are written aside and renamed when all are whole: nothing half written stands under its final name."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyogrio.errors import DataSourceError
from xlsxwriter.exceptions import FileCreateError

from gis.errors import Fault, XunchaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PART = ".xuncha-part-"


@contextmanager
def written_aside(out: Path) -> Iterator[Path]:
    """A folder beside the files of `out`, which are renamed into it at the end; it is gone afterwards, however that ends.

    What an export that was killed left behind is swept away by the next one.

    Raises:
        XunchaError: the files cannot be written (a full disk, no permission); `out` is as it was.
    """
    made = not out.exists()
    part = out / f"{PART}{os.getpid()}"
    try:
        with _told(out):
            out.mkdir(parents=True, exist_ok=True)
            _sweep(out)
            part.mkdir()
            yield part
            _move(part, out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        if made and out.exists() and not any(out.iterdir()):
            out.rmdir()
        raise
    shutil.rmtree(part, ignore_errors=True)


def final(paths: Sequence[Path], part: Path, out: Path) -> list[Path]:
    """Where files that were written aside stand at the end."""
    return [out / p.relative_to(part) for p in paths]


def _sweep(out: Path) -> None:
    """Remove what exports that are no more left behind."""
    for folder in out.glob(f"{PART}*"):
        pid = folder.name.removeprefix(PART)
        if not (pid.isdigit() and _alive(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid != os.getpid()


def _move(part: Path, out: Path) -> None:
    """Rename every file to its place; files of an earlier export are replaced, others stay."""
    for path in sorted(p for p in part.rglob("*") if p.is_file()):
        place = out / path.relative_to(part)
        place.parent.mkdir(exist_ok=True)
        path.replace(place)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """What the writers of files throw when the disk will not have it, in words."""
    try:
        yield
    except (FileCreateError, DataSourceError, sqlite3.OperationalError, OSError) as error:
        if isinstance(error, FileNotFoundError) and not out.is_dir():
            raise
        why = getattr(error, "strerror", None) or str(error)
        zh, en = f"导出文件写不成（{why}）", f"the export cannot be written ({why})"
        fix_zh = "检查磁盘空间与文件夹的权限，再导出一次；已有的文件没有改动"
        fix_en = "check space and rights of the folder, then export again; files that are there are as they were"
        raise XunchaError(Fault("export.write", zh, en, fix_zh, fix_en, file=str(out))) from error
