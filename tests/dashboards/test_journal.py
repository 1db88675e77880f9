from __future__ import annotations

import errno
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboards.journal import Journal
from gis.errors import InputError
from layers.store import open_store


@pytest.fixture
def store(tmp_path):
    made = open_store(f"embedded:{tmp_path / 'store'}")
    made.prepare()
    yield made
    made.close()


def test_rows_that_wait_share_a_transaction_and_each_is_stored_once(store, monkeypatch) -> None:
    transactions, arrived, append = [], threading.Event(), store.ledger_append

    def counted(ledger: str, *rows: dict) -> None:
        transactions.append(len(rows))
        assert arrived.wait(10)  # the first transaction lasts until all others have come
        append(ledger, *rows)

    monkeypatch.setattr(store, "ledger_append", counted)
    journal = Journal(store, "access_log")
    with ThreadPoolExecutor(20) as pool:
        told = [pool.submit(journal.append, {"event": "tracks", "n": n}) for n in range(20)]
        while len(journal._waiting) + sum(transactions) < 20:
            pass
        arrived.set()
        assert [f.result() for f in told] == [None] * 20
    assert sum(transactions) == 20
    assert len(transactions) == 2
    assert sorted(store.ledger("access_log")["n"]) == list(range(20))


def test_what_could_not_be_written_is_told_to_whoever_asked_and_the_next_is_written(store) -> None:
    journal = Journal(store, "access_log")
    with pytest.raises(InputError, match="time without zone"):
        journal.append({"event": "tracks", "at": "yesterday"})
    journal.append({"event": "tracks"})
    assert len(store.ledger("access_log")) == 1


def test_whatever_stops_the_writing_is_told_to_all_who_waited(store, monkeypatch) -> None:
    arrived, append = threading.Event(), store.ledger_append

    def stops(ledger: str, *rows: dict) -> None:
        assert arrived.wait(10)
        if len(rows) > 1:  # the second transaction, of all who came during the first
            raise OSError(errno.ENOSPC, "no disk")
        append(ledger, *rows)

    monkeypatch.setattr(store, "ledger_append", stops)
    journal = Journal(store, "access_log")
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(journal.append, {"event": "tracks", "n": 0})
        while not journal._writing.locked() or journal._waiting:
            pass
        told = [pool.submit(journal.append, {"event": "tracks", "n": n}) for n in range(1, 5)]
        while len(journal._waiting) < 4:
            pass
        arrived.set()
        assert first.result() is None
        assert [f.exception().strerror for f in told] == ["no disk"] * 4
    assert store.ledger("access_log")["n"].tolist() == [0]
