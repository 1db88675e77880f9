"""The server as it is run in earnest: a process with workers, JSON logs, and a graceful stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from conftest import sign_in

from dashboards.auth.accounts import add_user
from dashboards.server import city_settings
from dashboards.settings import BaseMap, DeskSettings
from layers.city import load_city_file
from layers.store import open_store

CITY_FILE = """
[city]
id = "trial"
name = "试验县"
language = "en"
{more}
[store]
url = "embedded:./store"

[standard]
name = "xiangshan-2019"
"""
SERVE = "import sys; from dashboards.server import serve; from layers.city import load_city_file; c = load_city_file(sys.argv[1]); "
SERVE += "serve(c, c.store_url, '127.0.0.1', int(sys.argv[2]), int(sys.argv[3]))"


@pytest.fixture
def city_file(tmp_path):
    path = tmp_path / "city.toml"
    path.write_text(CITY_FILE.format(more=""), "utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_serving_with_workers_and_stopping_gracefully(built, city_file, workers):
    store = open_store(load_city_file(city_file).store_url)
    store.prepare()
    add_user(store, "ops", "administrator", "county", "password of ops")
    store.close()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = city_file.with_name("log")
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(city_file), str(port), str(workers)], stderr=sink, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        client = sign_in(url, "ops", password="password of ops")
        # Whichever worker answers, the session holds: they sign with one key.
        answers = {
            client.get("/", headers={"accept": "text/html", "connection": "close"}).status_code for _ in range(12)
        }
        assert answers == {200}
        assert 'lang="en"' in client.get("/", headers={"accept": "text/html"}).text
    finally:
        os.kill(process.pid, signal.SIGTERM)
        code = process.wait(30)
    assert code in {0, -signal.SIGTERM}
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    requests = [e for e in lines if e["event"] == "request"]
    assert {"path": "/login", "status": 303, "method": "POST"}.items() <= next(
        e for e in requests if e["method"] == "POST"
    ).items()
    assert "password" not in log.read_text("utf-8")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_the_city_file_decides_language_zone_and_base_map(city_file):
    more = 'timezone = "Asia/Urumqi"\n\n[map]\ntiles = "https://tiles.example/{z}/{x}/{y}.png"\nattribution = "县局"\n'
    city_file.write_text(CITY_FILE.format(more=more), "utf-8")
    settings = city_settings(load_city_file(city_file), DeskSettings(secret="s"))
    assert (settings.language, settings.time_zone, settings.secret) == ("en", "Asia/Urumqi", "s")
    assert settings.base_map == BaseMap("raster", "https://tiles.example/{z}/{x}/{y}.png", "县局")
