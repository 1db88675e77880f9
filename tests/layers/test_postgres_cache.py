"""A PostgreSQL store keeps nothing on the machine unless told where, and then one folder a schema."""

from __future__ import annotations

import pytest

from layers.store import open_store

pytestmark = pytest.mark.postgis


def opened(url, name):
    store = open_store(f"{url}{'&' if '?' in url else '?'}schema={name}", timezone="Asia/Shanghai")
    store.close()
    return store


def test_a_folder_a_schema(postgis_url, tmp_path, monkeypatch):
    monkeypatch.delenv("XUNCHA_CACHE", raising=False)
    assert opened(postgis_url, "one").cache is None
    monkeypatch.setenv("XUNCHA_CACHE", str(tmp_path))
    one, again, two = (opened(postgis_url, n).cache for n in ("one", "one", "two"))
    assert one == again != two
    assert one.parent == two.parent == tmp_path
