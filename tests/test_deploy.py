"""What is deployed: units and scripts that say what the command line knows, a wheel that carries its data, a backup that can be restored."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
import store_samples as samples
import typer.main

from dashboards.build import build
from deploy import bundle
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import SourceRecord
from xuncha import app

DEPLOY = Path(__file__).parent.parent / "deploy"
UNITS = ("xuncha.service", "xuncha-audit.service", "xuncha-audit.timer")
SECTIONS = {"service": {"Unit", "Service", "Install"}, "timer": {"Unit", "Timer", "Install"}}


def unit(name):
    """A unit file; keys may come twice."""
    found = configparser.RawConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    found.optionxform = str
    found.read_string((DEPLOY / name).read_text(encoding="utf-8"))
    return found


def options_of(command):
    """Every option of a command of ours."""
    commands = typer.main.get_command(app).commands
    return {o for p in commands[command].params for o in p.opts if o.startswith("--")}


def variables(text):
    return set(re.findall(r"\b(XUNCHA_[A-Z_]+)\b", text))


# --- units ---
@pytest.mark.parametrize("name", UNITS)
def test_units_have_their_sections(name):
    found = unit(name)
    assert set(found.sections()) <= SECTIONS[name.rpartition(".")[2]]
    assert found["Unit"]["Description"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_accepts_the_units(tmp_path):
    """As installed, but elsewhere: verify refuses programs that do not exist."""
    for program in ("venv/bin/xuncha", "bin/xuncha-daily"):
        path = tmp_path / "opt" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    for name in UNITS:
        text = (DEPLOY / name).read_text(encoding="utf-8").replace("/opt/xuncha", str(tmp_path / "opt"))
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *UNITS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if "xuncha" in line]
    assert (done.returncode, said) == (0, [])


def test_the_service_starts_what_the_command_line_knows():
    service = unit("xuncha.service")["Service"]
    program, command, city, *rest = service["ExecStart"].split()
    assert program.endswith("/bin/xuncha")
    assert (command, city) == ("serve", "${XUNCHA_CITY}")
    given = {word for word in rest if word.startswith("--")}
    assert given == {"--host", "--port", "--workers"}
    assert given <= options_of("serve")
    flags = re.search(
        r"^XUNCHA_SERVE_FLAGS=(.*)$", (DEPLOY / "xuncha.env.example").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(flags[1].split()) <= options_of("serve")


@pytest.mark.parametrize("name", ["xuncha.service", "xuncha-audit.service"])
def test_services_are_hardened_and_not_root(name):
    service = unit(name)["Service"]
    assert service["User"] == "xuncha"
    assert service["ProtectSystem"] == "strict"
    for key in (
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "RestrictSUIDSGID",
        "LockPersonality",
    ):
        assert service[key] == "yes", key
    assert service["CapabilityBoundingSet"] == ""
    assert "MemoryDenyWriteExecute" not in service  # numba could not compile


def test_the_timer_wakes_the_audit_every_night_where_the_city_is():
    timer = unit("xuncha-audit.timer")["Timer"]
    assert timer["OnCalendar"] == "*-*-* 02:30:00 Asia/Shanghai"
    assert timer["Persistent"] == "true"


def test_settings_in_the_example_are_read_somewhere():
    example = variables((DEPLOY / "xuncha.env.example").read_text(encoding="utf-8"))
    readers = [
        *DEPLOY.parent.glob("xuncha*.py"), DEPLOY / "xuncha-daily", DEPLOY / "xuncha.service", DEPLOY / "xuncha-audit.service",
    ]  # fmt: skip
    read = set().union(*(variables(p.read_text(encoding="utf-8")) for p in readers))
    assert example - read == set()


# --- the daily run ---
def daily(tmp_path, *arguments, fail="", **settings):
    """Run xuncha-daily with a program that notes how it was called, and fails at one command."""
    program = tmp_path / "xuncha"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{tmp_path}/calls"\n[ "$1" != "{fail}" ] || exit 3\n'
        'while [ $# -gt 0 ]; do [ "$1" != --out ] || { mkdir -p "$2"; echo x >"$2/file"; }; shift; done\n'
    )
    program.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "XUNCHA_BIN": str(program), "XUNCHA_CITY": "city.toml",
                   "XUNCHA_OUT": str(tmp_path / "out"), **settings}  # fmt: skip
    done = subprocess.run(["sh", str(DEPLOY / "xuncha-daily"), *arguments], env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    calls = (tmp_path / "calls").read_text().splitlines()
    return done.returncode, calls


def test_the_daily_run_loads_audits_and_exports(tmp_path):
    """Three days back from 1 March 2026 is 27 February: 2026 is no leap year."""
    code, calls = daily(tmp_path, "2026-03-01", XUNCHA_AUDIT_DAYS="3")
    assert code == 0
    assert calls[:2] == ["load city.toml", "audit city.toml --day 2026-02-27 --to 2026-03-01"]
    assert calls[2].startswith("export city.toml --day 2026-03-01 --out ")
    assert [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")] == [
        "2026-03-01",
        "2026-03-01/file",
    ]
    for call in calls:
        command, *words = call.split()
        assert {w for w in words if w.startswith("--")} <= options_of(command)


def test_a_daily_run_that_breaks_off_says_so_and_leaves_no_export(tmp_path):
    code, calls = daily(tmp_path, "2026-03-01", fail="audit")
    assert code == 3
    assert [c.split()[0] for c in calls] == ["load", "audit"]
    assert not (tmp_path / "out").exists()


def test_without_a_day_it_is_yesterday_where_the_city_is(tmp_path):
    code, calls = daily(tmp_path, XUNCHA_TIMEZONE="Asia/Shanghai")
    assert code == 0
    told = subprocess.run(["date", "-d", "yesterday", "+%F"], env={"PATH": os.environ["PATH"], "TZ": "Asia/Shanghai"},
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    assert calls[1] == f"audit city.toml --day {told} --to {told}"


# --- the container ---
def test_the_container_is_debian_not_root_and_looks_after_itself():
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    first = max(k for k, (word, _) in enumerate(lines) if word == "FROM")  # the last stage is what runs
    stage = dict(lines[first:])
    assert stage["FROM"].startswith("docker.io/library/debian:")
    assert stage["USER"] == "xuncha"
    assert "/healthz" in stage["HEALTHCHECK"]
    assert set(re.findall(r"--[a-z]+", stage["CMD"])) <= options_of("serve")
    copied = [rest.split()[:-1] for word, rest in lines if word == "COPY" and "--from" not in rest]
    sources = [s for words in copied for s in words if not s.startswith("--")]
    assert all(list(DEPLOY.parent.glob(s)) for s in sources)
    assert set(bundle.ROOMS) <= set(sources)


# --- the wheel and the bundle ---
@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Our own wheel, as the bundle carries it."""
    build()
    return bundle.build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_carries_every_file_of_the_rooms(wheel):
    root = DEPLOY.parent
    left_out = {"__pycache__", "frontend"}
    expected = {
        p.relative_to(root).as_posix()
        for room in bundle.ROOMS
        for p in (root / room).rglob("*")
        if p.is_file() and not left_out & set(p.parts) and p.suffix not in {".pyc", ".nbi", ".nbc"}
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in ("layers/standards/xiangshan-2019.toml", "layers/migrations/script.py.mako", "etl/templates/city.toml",
                   "etl/sample/city.toml", "dashboards/i18n/shell.toml", "dashboards/static/manifest.json",
                   *(p.name for p in root.glob("xuncha*.py"))):  # fmt: skip
        assert needed in names
    assert expected - names == set()
    assert [n for n in names if "frontend" in n or "node_modules" in n or n.startswith(("tests/", "deploy/"))] == []


def test_a_bundle_is_refused_when_a_file_is_damaged(tmp_path):
    folder = tmp_path / "b"
    folder.mkdir()
    shutil.copy2(DEPLOY / "install.sh", folder / "install.sh")
    (folder / "bundle.json").write_text('{\n "python": "3.11",\n "machine": "x"\n}\n')
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  bundle.json\n")
    done = subprocess.run(["sh", str(folder / "install.sh"), "--prefix", str(tmp_path / "p")], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "文件损坏" in done.stderr
    assert not (tmp_path / "p").exists()


def test_a_bundle_for_another_machine_is_refused(tmp_path):
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / "bundle.json").write_text('{\n "python": "3.11",\n "machine": "z80"\n}\n')
    (folder / "SHA256SUMS").write_text(f"{bundle.sha256(folder / 'bundle.json')}  bundle.json\n")
    shutil.copy2(DEPLOY / "install.sh", folder / "install.sh")
    done = subprocess.run(["sh", str(folder / "install.sh"), "--prefix", str(tmp_path / "p")], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "z80" in done.stderr


def test_what_the_bundle_carries_is_there():
    assert [name for name in bundle.CARRIED if not (DEPLOY / name).exists()] == []
    for name in ("install.sh", "xuncha-as-service", "xuncha-daily", "xuncha-backup"):
        assert (DEPLOY / name).stat().st_mode & 0o111
        subprocess.run(["sh", "-n", str(DEPLOY / name)], check=True)


def test_the_command_line_of_an_installation_finds_its_program_from_anywhere(tmp_path):
    for folder in ("p/bin", "p/venv/bin", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy2(DEPLOY / "xuncha-as-service", tmp_path / "p/bin/xuncha")
    program = tmp_path / "p/venv/bin/xuncha"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 3\n')
    program.chmod(0o755)
    (tmp_path / "elsewhere/xuncha").symlink_to(tmp_path / "p/bin/xuncha")
    done = subprocess.run([str(tmp_path / "elsewhere/xuncha"), "load", "a b.toml"], capture_output=True, text=True, cwd="/", check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "load|a b.toml|")


# --- backup ---
def seen(store):
    """What can be read."""
    tables = {t: [store.read(t, e.edition_id).to_csv() for e in store.editions(t)] for t in TABLES if store.editions(t)}
    return tables, list(store.positions.days()), store.positions.sha256(store.positions.days()[0])


def test_backup_of_an_open_store_and_restore(tmp_path):
    place = tmp_path / "store"
    store = open_store(f"embedded:{place}")
    store.prepare()
    store.load(samples.grids("abc"), SourceRecord("g", "work_grids", "g", "ab", 3), samples.NO_QUARANTINE, valid_from=date(2026, 1, 1))  # fmt: skip
    store.positions.load([samples.positions(300)], SourceRecord("p", "positions", "p", "ab", 300), samples.NO_QUARANTINE)  # fmt: skip
    before = seen(store)
    for folder in ("bin", "venv/bin"):  # as installed below any prefix: the Python is that of the same installation
        (tmp_path / "opt" / folder).mkdir(parents=True)
    shutil.copy2(DEPLOY / "xuncha-backup", tmp_path / "opt" / "bin")
    (tmp_path / "opt" / "venv" / "bin" / "python").symlink_to(sys.executable)
    done = subprocess.run(  # while the store is open
        ["sh", str(tmp_path / "opt" / "bin" / "xuncha-backup"), str(place), str(tmp_path / "backup")],
        env={k: v for k, v in os.environ.items() if k != "XUNCHA_PYTHON"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    made = Path(done.stdout.strip())
    store.load(samples.grids("abcd"), SourceRecord("g", "work_grids", "g", "cd", 4), samples.NO_QUARANTINE, valid_from=date(2026, 2, 1))  # fmt: skip
    assert seen(store) != before
    store.close()
    shutil.rmtree(place)
    shutil.copytree(made, place)
    restored = open_store(f"embedded:{place}")
    restored.prepare()
    assert seen(restored) == before
    restored.close()


def test_backup_refuses_what_is_no_store(tmp_path):
    done = subprocess.run(["sh", str(DEPLOY / "xuncha-backup"), str(tmp_path), str(tmp_path / "b")], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 4
    assert "不是内嵌库" in done.stderr
    assert not (tmp_path / "b").exists()
