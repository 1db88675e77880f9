"""Files that survive a crash: written aside, synced, renamed; and the lock of the one writer."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from layers.store.words import busy, translated_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ROW_GROUP = 131_072
_POLL_S = 0.02


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable (nothing to do on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_write(table: pa.Table, path: Path) -> None:
    """Write Parquet and wait until it is on the disk."""
    with path.open("wb") as file:
        pq.write_table(
            table,
            file,
            compression="lz4",
            use_dictionary=["device_id"],
            row_group_size=ROW_GROUP,
            write_page_checksum=True,
        )
        file.flush()
        os.fsync(file.fileno())


def orphans(folder: Path, registered: set[str]) -> Iterator[Path]:
    """Files of a store that no catalogue row names."""
    for part in ("positions", "passes", "tmp"):
        for path in sorted((folder / part).rglob("*")):
            if path.is_file() and path.relative_to(folder).as_posix() not in registered:
                yield path


class FileLock:
    """An advisory lock on a file, released by the system when its holder dies; the file says who holds it."""

    def __init__(self, path: Path, *, wait_s: float, what: str) -> None:
        self.path, self.wait_s, self.what = path, wait_s, what
        self._handle = -1

    def __enter__(self) -> None:
        """Wait for the lock; StoreError when the time is over."""
        with translated_files():
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o664)
        end = time.monotonic() + self.wait_s
        while not self._try():
            if time.monotonic() >= end:
                holder = os.pread(self._handle, 200, 0).decode(errors="replace").strip() or "?"
                os.close(self._handle)
                raise busy(holder)
            time.sleep(_POLL_S)
        if os.name == "posix":
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"pid {os.getpid()}: {self.what}\n".encode(), 0)

    def _try(self) -> bool:
        try:
            if fcntl is not None:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                import msvcrt  # noqa: PLC0415 (Windows only)

                lock: Any = msvcrt
                lock.locking(self._handle, lock.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the lock go."""
        os.close(self._handle)
