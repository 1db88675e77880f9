"""Versions, errors in words, what QGIS sees, backup and restore."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
from datetime import date
from pathlib import Path

import geopandas as gpd
import psycopg
import pytest
import sqlalchemy as sa
import store_samples as samples

from gis.errors import StoreError
from layers import models
from layers.contracts import TABLES
from layers.store import open_store, schema
from layers.store.base import SourceRecord
from layers.store.embedded import EmbeddedStore

JAN = date(2026, 1, 1)


def raw_execute(url, statement):
    if url.startswith("embedded:"):
        conn = sqlite3.connect(Path(url.removeprefix("embedded:")) / "catalogue.sqlite")
    else:
        conn = psycopg.connect(url)
    conn.execute(statement)
    conn.commit()
    conn.close()


def filled(url):
    store = open_store(url)
    store.prepare()
    store.load(
        samples.grids("abc"), SourceRecord("g", "work_grids", "g", "ab", 3), samples.NO_QUARANTINE, valid_from=JAN
    )
    store.positions.load(
        [samples.positions(300)], SourceRecord("p", "positions", "p", "ab", 300), samples.NO_QUARANTINE
    )
    store.publish(samples.run(), {"grid_days": samples.grid_days(["covered", "missed"])}, [samples.passes()])
    return store


def seen(store):
    edition = store.edition_at("work_grids", samples.DAY)
    return (
        edition, list(store.read("work_grids", edition.edition_id)["grid_id"]), store.positions.sha256(samples.DAY), store.runs(),
        list(store.result("run-1", "grid_days")["outcome"]), store.passes("run-1").to_pylist(),
    )  # fmt: skip


def test_a_store_that_is_not_prepared_says_so(store_url):
    store = open_store(store_url)
    for call in (store.manifests, store.run_days, store.positions.days, lambda: store.edition_at("units", JAN)):
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.faults[0].code == "store.not_prepared"
    store.prepare()
    assert store.manifests() == []
    store.prepare()
    store.close()


def test_a_newer_store_is_refused(store_url):
    filled(store_url).close()
    raw_execute(store_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError) as caught:
        open_store(store_url)
    assert [(f.code, "9999" in f.zh, bool(f.fix_en)) for f in caught.value.faults] == [("store.newer", True, True)]


def test_another_time_zone_is_refused(store_url):
    filled(store_url).close()
    with pytest.raises(StoreError) as caught:
        open_store(store_url, timezone="Europe/Athens")
    assert caught.value.faults[0].code == "store.timezone"


def test_columns_that_a_contract_gained_are_added_and_rows_kept(store_url):
    """A store of an earlier contract: without areas' parent_id (a column) and without unit_grids (a table)."""
    store = filled(store_url)
    before = seen(store)
    store.close()
    raw_execute(store_url, "ALTER TABLE areas DROP COLUMN parent_id")
    raw_execute(store_url, "DROP TABLE unit_grids")
    store = open_store(store_url)
    with pytest.raises(StoreError, match="missing or older"):
        store.manifests()
    store.prepare()
    assert seen(store) == before
    for name in ("areas", "unit_grids"):
        frame = samples.frame(TABLES[name])
        store.load(frame, samples.record(name, len(frame)), samples.NO_QUARANTINE, valid_from=JAN)
    store.close()


def test_the_first_revision_can_be_migrated_with_its_rows(store_url):
    store = open_store(store_url)
    if isinstance(store, EmbeddedStore):
        store.folder.mkdir()
    with store._transaction() as conn:
        schema.upgrade(conn, "0001")
        assert schema.revision(conn) == "0001"
        conn.execute(sa.insert(models.LEDGERS["users"]).values(at=store.clock(), body={"name": "李"}))
    store.prepare()
    assert list(store.ledger("users")["name"]) == ["李"]
    store.close()


def test_revisions_and_models_agree(store):
    """Every table of the models is there with every column: what the revisions make is what the code expects."""
    with store._reading() as conn:
        there = {n: schema._column_names(conn, n) for n in sa.inspect(conn).get_table_names()}
        assert schema.lacking(conn) == {}
    for name, table in models.metadata.tables.items():
        assert there.get(name) == {c.name for c in table.columns}, name


@pytest.mark.postgis
def test_geometry_has_a_gist_index(postgis_url):
    store = open_store(postgis_url)
    store.prepare()
    with psycopg.connect(postgis_url) as conn:
        found = {r[0] for r in conn.execute("SELECT tablename FROM pg_indexes WHERE indexdef LIKE '%USING gist%'")}
    assert found == {n for n, t in TABLES.items() if t.geometry}
    store.close()


@pytest.mark.postgis
def test_each_city_has_its_own_schema(postgis_url):
    """Two cities in one database do not see each other, nor a store in `public`."""
    stores = {
        name: filled(f"{postgis_url}{tail}")
        for name, tail in (("public", ""), ("a", "?schema=xiangshan"), ("b", "?schema=city two"))
    }
    stores["a"].load(
        samples.grids("xy"), SourceRecord("g", "work_grids", "g", "cd", 2), samples.NO_QUARANTINE, valid_from=JAN
    )
    sizes = {n: s.edition_at("work_grids", JAN).rows for n, s in stores.items()}
    assert sizes == {"public": 3, "a": 2, "b": 3}
    fresh = open_store(f"{postgis_url}?schema=third")
    with pytest.raises(StoreError, match="missing or older"):
        fresh.manifests()
    for s in (*stores.values(), fresh):
        s.close()


@pytest.mark.postgis
def test_errors_of_the_server_are_told_in_words(postgis_url, empty_database):
    def use(url, prepare):
        made = open_store(url)
        try:
            made.prepare() if prepare else made.manifests()
        finally:
            made.close()

    def code(url, *, prepare=False):
        with pytest.raises(StoreError) as caught:
            use(url, prepare)
        fault = caught.value.faults[0]
        assert fault.fix_zh
        assert fault.fix_en
        return fault.code

    assert code("postgresql://postgres@127.0.0.1:1/none") == "store.unreachable"
    assert code(postgis_url.rsplit("/", 1)[0] + "/no_such_database") == "store.no_database"
    with psycopg.connect(postgis_url, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS visitor")
        conn.execute("CREATE ROLE visitor LOGIN")
    visitor = postgis_url.replace("postgres@", "visitor@")
    assert code(visitor, prepare=True) == "store.permission"  # since PostgreSQL 15 `public` is closed to others
    assert code(empty_database.replace("postgres@", "visitor@"), prepare=True) == "store.no_postgis"
    assert code("postgresql://host:notaport/database") == "store.url"


def test_a_second_writer_waits_and_then_says_who_holds_the_store(tmp_path):
    first = EmbeddedStore(tmp_path / "s", timezone="Asia/Shanghai")
    first.prepare()
    second = EmbeddedStore(tmp_path / "s", timezone="Asia/Shanghai", wait_s=0.2)
    with first._locked("positions"), pytest.raises(StoreError) as caught:
        second.ledger_append("users", {"name": "x"})
    assert caught.value.faults[0].code == "store.busy"
    assert "positions" in caught.value.faults[0].en
    release = threading.Event()

    def hold():
        with first._locked("positions"):
            release.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    release.set()
    second.wait_s = 5
    second.ledger_append("users", {"name": "x"})  # waits, then writes
    holder.join()
    assert len(first.ledger("users")) == 1
    first.close()
    second.close()


def test_the_catalogue_is_a_geopackage(tmp_path):
    """GDAL reads every geometry table as a layer with its CRS (this is what QGIS does)."""
    store = filled(f"embedded:{tmp_path / 's'}")
    copy = tmp_path / "copy.gpkg"  # the name with which GDAL is content
    with sqlite3.connect(tmp_path / "s" / "catalogue.sqlite") as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    read = gpd.read_file(copy, layer="work_grids")
    assert read.crs.to_epsg() == 4326
    assert list(read["grid_id"]) == ["a", "b", "c"]
    assert read.geometry.geom_equals(samples.grids("abc").geometry).all()
    assert set(gpd.list_layers(copy)["name"]) >= set(TABLES)
    if shutil.which("ogrinfo"):
        said = subprocess.run(["ogrinfo", "-ro", str(copy)], capture_output=True, text=True, check=True)
        assert "using driver `GPKG' successful" in said.stdout
        assert "Warning" not in said.stderr
    store.close()


def test_backup_and_restore_of_the_embedded_store(tmp_path):
    """As docs/store.md says: the catalogue by SQLite's online backup first, then the Parquet files, which never change."""
    store = filled(f"embedded:{tmp_path / 's'}")
    before = seen(store)
    backup = tmp_path / "backup"
    backup.mkdir()
    with (
        sqlite3.connect(tmp_path / "s" / "catalogue.sqlite") as source,
        sqlite3.connect(backup / "catalogue.sqlite") as target,
    ):
        source.backup(target)
    source.close()
    target.close()
    for part in ("positions", "passes"):
        shutil.copytree(tmp_path / "s" / part, backup / part)
    store.close()
    shutil.rmtree(tmp_path / "s")
    restored = open_store(f"embedded:{backup}")
    restored.prepare()
    assert seen(restored) == before
    restored.close()


@pytest.mark.postgis
def test_backup_and_restore_of_postgresql(postgis_url, empty_database, tmp_path):
    """As docs/store.md says: pg_dump -Fc, then pg_restore into an empty database."""
    folder = next(
        (p for p in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True) if (p / "pg_dump").exists()), None
    )
    tool = {n: str(folder / n) if folder else shutil.which(n) for n in ("pg_dump", "pg_restore")}
    if not all(tool.values()):
        pytest.skip("no pg_dump on this machine")
    store = filled(postgis_url)
    before = seen(store)
    store.close()
    subprocess.run([tool["pg_dump"], "-Fc", "-f", str(tmp_path / "x.dump"), postgis_url], check=True)
    subprocess.run([tool["pg_restore"], "--no-owner", "-d", empty_database, str(tmp_path / "x.dump")], check=True)
    restored = open_store(empty_database)
    restored.prepare()
    assert seen(restored) == before
    restored.close()
