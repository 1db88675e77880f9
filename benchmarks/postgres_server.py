"""A PostgreSQL with PostGIS for a benchmark: the one named in XUNCHA_BENCH_POSTGIS_URL, or a private cluster in a temporary folder.

The private cluster keeps the server's own settings but for two: it listens on the loopback only, and one query uses one process.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = ("listen_addresses=127.0.0.1", "max_parallel_workers_per_gather=0", "shared_buffers=512MB", "work_mem=256MB",
            "max_wal_size=4GB")  # fmt: skip


def _binaries() -> Path | None:
    """The newest installed server that has PostGIS."""
    for version in range(20, 13, -1):
        folder = Path(f"/usr/lib/postgresql/{version}/bin")
        if (folder / "initdb").exists() and Path(f"/usr/share/postgresql/{version}/extension/postgis.control").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def server() -> Iterator[tuple[str, int | None] | None]:
    """URL of a server on which databases may be made and the process id of a private one; None where there is no server."""
    given = os.environ.get("XUNCHA_BENCH_POSTGIS_URL")
    binaries = _binaries()
    if given or binaries is None:
        yield (given, None) if given else None
        return
    folder = Path(tempfile.mkdtemp(prefix="xuncha-bench-pg-"))
    prefix: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    made = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(
        [*prefix, binaries / "initdb", "-D", folder / "db", *made], check=True, capture_output=True, cwd=folder
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [word for s in (*SETTINGS, f"port={port}") for word in ("-c", s)]
    command = [*prefix, binaries / "postgres", "-D", folder / "db", "-k", folder, *settings]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        _wait(url)
        yield url, running.pid
    finally:
        running.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        running.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    message = "PostgreSQL does not start"
    raise SystemExit(message)


@contextmanager
def database(server_url: str, name: str, *, template: str | None = None) -> Iterator[str]:
    """URL of a fresh database with PostGIS, dropped at the end."""
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        yield url
    finally:
        with psycopg.connect(server_url, autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pin(pid: int | None, core: int) -> None:
    """Keep a private server and all that it starts from now on on one core."""
    if pid is not None:
        psutil.Process(pid).cpu_affinity([core])


def processor_s(pid: int | None) -> float:
    """Processor time of a private server, its living processes and those that have ended, so far."""
    if pid is None:
        return float("nan")
    total = sum(psutil.Process(pid).cpu_times()[:4])
    for process in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total
