"""Files of a store that were damaged, and disks that take no more: told for what they are, with the right remedy."""

from __future__ import annotations

import errno
import sqlite3
from datetime import date

import pytest
import sqlalchemy as sa
import store_samples as samples

from gis.errors import StoreError
from layers.store import open_store
from layers.store.base import SourceRecord
from layers.store.words import translated, translated_files


@pytest.fixture
def held(tmp_path):
    """A store with positions and a run's passes, its files of both."""
    store = open_store(f"embedded:{tmp_path / 'store'}")
    store.prepare()
    store.positions.load(
        [samples.positions(3000)], SourceRecord("p", "positions", "p", "ab", 3000), samples.NO_QUARANTINE
    )
    store.publish(samples.run(), {"grid_days": samples.grid_days(["covered"])}, [samples.passes()])
    yield (
        store,
        sorted((tmp_path / "store" / "positions").rglob("*.parquet")),
        sorted((tmp_path / "store" / "passes").rglob("*.parquet")),
    )
    store.close()


def scanned(store):
    """Everything, read."""
    return [store.positions.scan(day) for day in store.positions.days()]


def damaged(path, at, flip=0x10):
    body = bytearray(path.read_bytes())
    body[at] ^= flip
    path.write_bytes(bytes(body))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_a_flipped_bit_of_positions_is_never_audited(held, share):
    store, (path, *_), _ = held
    damaged(path, int(path.stat().st_size * share))
    with pytest.raises(StoreError) as told:
        scanned(store)
    assert told.value.faults[0].code == "store.damaged"
    assert "备份" in told.value.faults[0].fix_zh


def test_a_cut_file_is_told(held):
    store, (path, *_), (passes, *_) = held
    for file in (path, passes):
        file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(StoreError) as told:
        scanned(store)
    assert told.value.faults[0].code == "store.damaged"
    with pytest.raises(StoreError):
        store.passes("run-1")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("database or disk is full", "store.full"),
        ("disk I/O error", "store.file"),
        ("attempt to write a readonly database", "store.permission"),
        ("unable to open database file", "store.permission"),
        ("database disk image is malformed", "store.damaged"),
        ("file is not a database", "store.damaged"),
        ("database is locked", "store.busy"),
    ],
)
def test_only_a_damaged_store_is_to_be_restored(said, code):
    error = sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError(said))
    with pytest.raises(StoreError) as told, translated():
        raise error
    (fault,) = told.value.faults
    assert fault.code == code
    assert ("备份" in fault.fix_zh) == (code == "store.damaged")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "store.full"),
        (errno.EDQUOT, "store.full"),
        (errno.EFBIG, "store.full"),
        (errno.EROFS, "store.permission"),
    ],
)
def test_errors_of_the_file_system_by_their_number(number, code):
    with pytest.raises(StoreError) as told, translated_files():
        raise OSError(number, "no", "x.parquet")
    assert told.value.faults[0].code == code


def test_a_full_sqlite_says_so_for_real(tmp_path):
    store = open_store(f"embedded:{tmp_path / 'store'}")
    store.prepare()
    pages = [0]

    def bounded(raw, _record):
        pages[0] = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count = {pages[0]}")

    sa.event.listen(store.engine, "connect", bounded)
    with pytest.raises(StoreError) as told:
        store.load(
            samples.grids([f"g{k}" for k in range(320)]),
            SourceRecord("g", "work_grids", "g", "ab", 320),
            samples.NO_QUARANTINE,
            valid_from=date(2026, 1, 1),
        )
    assert told.value.faults[0].code == "store.full"
    store.close()
