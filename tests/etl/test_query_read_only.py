"""Queries of a city file read and do nothing else, whatever they say."""

from __future__ import annotations

import contextlib
import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from etl import sql
from etl.readers.queries import stream_query
from etl.sql import query_frame
from gis.errors import InputError
from layers.city import Source

HOSTILE = [
    "COMMIT; DELETE FROM t; SELECT 1",
    "COMMIT; CREATE TABLE pwned(x int); SELECT 1 AS x",
    "SELECT 1; DELETE FROM t",
    "SELECT 1 /* ; */; DELETE FROM t",
    "ROLLBACK; DROP TABLE t",
    "SET TRANSACTION READ WRITE; DELETE FROM t",
    "DELETE FROM t RETURNING id",
    "UPDATE t SET id = 7",
    "INSERT INTO t VALUES (9)",
    "WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone",
    "SELECT id INTO copied FROM t",
    "TABLE t; TRUNCATE t",
    "ATTACH 'pwned.db' AS p",
    "VACUUM INTO 'pwned.db'",
    "PRAGMA writable_schema = 1",
    "EXPLAIN ANALYZE DELETE FROM t",
    "COPY t TO PROGRAM 'touch pwned'",
    "SELECT set_config('transaction_read_only', 'off', false), lo_creat(-1)",
    "VALUES (1); VACUUM",
    "-- only a look\nDROP TABLE t",
]


def source(database, query):
    return Source(name="人员", table="persons", database=database, query=query)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgis)])
def database(request, tmp_path, monkeypatch):
    """The address of a database with a table `t` of two rows, and a function that gives all that is in it."""
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        with sqlite3.connect(tmp_path / "own.db") as db:
            db.execute("CREATE TABLE t (id INTEGER)")
            db.execute("INSERT INTO t VALUES (1), (2)")
        db.close()

        def held():
            engine = sa.create_engine(f"sqlite:///{tmp_path / 'own.db'}", poolclass=sa.NullPool)
            with engine.connect() as conn:
                names = conn.exec_driver_sql("SELECT name FROM sqlite_master ORDER BY 1").scalars().all()
                return (
                    names,
                    conn.exec_driver_sql("SELECT id FROM t ORDER BY 1").scalars().all(),
                    sorted(p.name for p in tmp_path.iterdir()),
                )

        return f"sqlite:///{tmp_path / 'own.db'}", held
    url = request.getfixturevalue("postgis_url")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("DROP TABLE IF EXISTS t")
        conn.execute("CREATE TABLE t (id integer)")
        conn.execute("INSERT INTO t VALUES (1), (2)")

    def held():
        with psycopg.connect(url) as conn:
            names = conn.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
            ).fetchall()
            return (
                names,
                conn.execute("SELECT id FROM t ORDER BY 1").fetchall(),
                sorted(p.name for p in tmp_path.iterdir()),
            )

    return url, held


@pytest.mark.parametrize("query", HOSTILE)
def test_whatever_a_query_says_nothing_changes(database, query, monkeypatch):
    url, held = database
    before = held()
    for read in (query_frame, lambda s: list(stream_query(s).chunks)):
        with pytest.raises(InputError):
            read(source(url, query))
        assert held() == before


@pytest.mark.parametrize("query", HOSTILE)
def test_nor_does_it_where_its_words_are_not_looked_at(database, query, monkeypatch):
    """The database itself refuses: the look at the words is for the message only."""
    url, held = database
    before = held()
    monkeypatch.setattr(sql, "statement_of", lambda s: s.query)
    with contextlib.suppress(InputError):
        query_frame(source(url, query))
    assert held() == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM t ORDER BY id;",
        "-- ids\nSELECT id FROM t ORDER BY 1",
        "WITH a AS (SELECT id FROM t) SELECT * FROM a ORDER BY 1",
        "(SELECT 1 AS id)"[1:-1],
    ],
)
def test_what_reads_is_read(database, query):
    url, _ = database
    assert next(iter(query_frame(source(url, query))["id"])) == 1


def test_an_endless_query_is_ended(database, monkeypatch):
    url, _ = database
    monkeypatch.setattr(sql, "LONGEST_S", 1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0"
    with pytest.raises(InputError):
        query_frame(source(url, endless))
    monkeypatch.setattr(sql, "MOST_TABLE_ROWS", 1000)
    monkeypatch.setattr(sql, "BATCH_ROWS", 100)
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n"
    with pytest.raises(InputError, match="more than 1,000 rows"):
        query_frame(source(url, many))


def test_an_empty_answer_keeps_its_columns(database):
    url, _ = database
    assert list(query_frame(source(url, "SELECT id FROM t WHERE id > 5")).columns) == ["id"]


@pytest.mark.parametrize(
    "url", ["nosuch://x", "postgresql://127.0.0.1:x/y", "sqlite:////nowhere/at/all.db", "", "postgresql+nodriver://a"]
)
def test_an_address_that_cannot_be_opened_is_a_fault(url):
    with pytest.raises(InputError):
        query_frame(source(url, "SELECT 1 AS id"))
