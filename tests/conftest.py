"""Fixtures of the whole suite: real data, a private PostgreSQL, stores of both kinds, and no way out to the network."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psycopg
import pytest

from etl.kernels import drop_stale_kernels
from layers.store import open_store

# No timing in a test: a busy machine must not fail it.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

REQUIRE_ALL = os.environ.get("XUNCHA_REQUIRE_ALL") == "1"
_numbers = itertools.count()


def pytest_configure(config):
    """Kernels are those of the sources that are tested; the workers leave this to the one who starts them."""
    if not hasattr(config, "workerinput"):
        drop_stale_kernels()


def _absent(reason):
    """Skip, unless everything is required."""
    if REQUIRE_ALL:
        pytest.fail(reason)
    pytest.skip(reason)


# --- real data ---
@pytest.fixture(scope="session")
def data_root():
    """The folder of real data."""
    root = Path(os.environ.get("XUNCHA_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data").resolve()
    if not root.is_dir():
        pytest.skip(f"real data absent: {root} (set XUNCHA_DATA)")
    return root


# --- no network ---
@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch):
    """Refuse every connection of Python's sockets that leaves this machine."""

    def guarded(name):
        original = getattr(socket.socket, name)

        def call(self, *args):
            address = args[-1]
            if self.family in {socket.AF_INET, socket.AF_INET6}:
                host = str(address[0])
                if not (host.startswith("127.") or host in {"::1", "localhost", "::ffff:127.0.0.1", "0.0.0.0", ""}):
                    pytest.fail(f"a test tried to reach {host}")
            return original(self, *args)

        monkeypatch.setattr(socket.socket, name, call)

    for name in ("connect", "connect_ex", "sendto"):
        guarded(name)


# --- PostgreSQL ---
def _binaries():
    """The newest installed server that has PostGIS."""
    for version in (18, 17, 16, 15, 14):
        folder = Path(f"/usr/lib/postgresql/{version}/bin")
        if (folder / "initdb").exists() and Path(f"/usr/share/postgresql/{version}/extension/postgis.control").exists():
            return folder
    found = shutil.which("initdb")  # conda, or a system that has it on the path
    return Path(found).resolve().parent if found else None


def _as_user():
    """Words before a command that let it run as somebody else than root, and that user's ids."""
    if os.geteuid() != 0:
        return [], None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if shutil.which("setpriv"):
            return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"], user
        return ["runuser", "-u", name, "--"], user
    return None, None


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _start(binaries, prefix, user, folder):
    """Make a cluster and start it; the server is our child and ends with us."""
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    made = subprocess.run(
        [*prefix, str(binaries / "initdb"), "-D", str(folder / "db"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        capture_output=True, text=True, cwd=folder, env=environment, check=False,
    )  # fmt: skip
    if made.returncode:
        return None, made.stderr
    port = _free_port()
    dies = ["--pdeathsig", "INT"] if prefix[:1] == ["setpriv"] else []
    settings = [
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "listen_addresses=127.0.0.1",
        f"port={port}",
        "max_connections=60",
    ]
    command = [
        *prefix,
        *dies,
        str(binaries / "postgres"),
        "-D",
        str(folder / "db"),
        "-k",
        str(folder),
        *(x for s in settings for x in ("-c", s)),
    ]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, cwd=folder, env=environment)
    return server, f"postgresql://postgres@127.0.0.1:{port}/postgres"


def _wait(url, server):
    end = time.monotonic() + 30
    while time.monotonic() < end and server.poll() is None:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return True
    return False


@pytest.fixture(scope="session")
def postgis_server():
    """URL of a server on which databases may be made: XUNCHA_TEST_POSTGIS_URL, or a private cluster in a temporary folder."""
    given = os.environ.get("XUNCHA_TEST_POSTGIS_URL")
    if given:
        yield given
        return
    binaries, (prefix, user) = _binaries(), _as_user()
    if binaries is None or prefix is None:
        _absent("no PostgreSQL with PostGIS on this machine (Debian: apt install postgresql-15-postgis-3)")
    folder = Path(tempfile.mkdtemp(prefix="xuncha-pg-"))
    log = folder.parent / f"{folder.name}.log"
    server, url = _start(binaries, prefix, user, folder)
    try:
        if server is None or not _wait(url, server):
            _absent(f"PostgreSQL does not start: {url if server is None else log.read_text(errors='replace')}")
        yield url
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(folder, ignore_errors=True)
        log.unlink(missing_ok=True)


def _database(server, name):
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def _postgis_template(postgis_server):
    """A database with PostGIS, to be copied."""
    name = f"xuncha_template_{os.getpid()}"
    with psycopg.connect(postgis_server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(_database(postgis_server, name), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION postgis")
    yield name
    with psycopg.connect(postgis_server, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database(postgis_server):
    """URL of a fresh database without PostGIS."""
    yield from _fresh(postgis_server, "template0")


@pytest.fixture
def postgis_url(postgis_server, _postgis_template):
    """URL of a fresh database with PostGIS."""
    yield from _fresh(postgis_server, _postgis_template)


def _fresh(server, template):
    name = f"xuncha_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _database(server, name)
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- stores ---
@pytest.fixture(params=["embedded", pytest.param("postgis", marks=pytest.mark.postgis)])
def store_url(request, tmp_path):
    """URL of a store that does not exist yet, of each kind."""
    return f"embedded:{tmp_path / 'store'}" if request.param == "embedded" else request.getfixturevalue("postgis_url")


@pytest.fixture
def store(store_url):
    """An empty prepared store of each kind (time zone Asia/Shanghai)."""
    made = open_store(store_url, timezone="Asia/Shanghai")
    made.prepare()
    yield made
    made.close()
