"""The main job as an office's IT person does it: load, audit, export from the command line, killed in the middle and done again, on both stores."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from etl.sample.write import write_sample_county
from layers.contracts import TABLES
from layers.store import open_store

ROOT = Path(__file__).parents[1]
DAY = date(2026, 3, 18)
KEPT_DEVICES = 40


def _thin(path: Path) -> None:
    """Keep the positions of the first devices: enough to load and audit, small enough to do it often."""
    with gzip.open(path, "rb") as f:
        head, *lines = f.read().decode("gb18030").splitlines()
    devices = sorted({line.split(",")[0] for line in lines})[:KEPT_DEVICES]
    kept = [line for line in lines if line.split(",")[0] in set(devices)]
    with gzip.GzipFile(path, "wb", mtime=0) as f:
        f.write("\n".join([head, *kept, ""]).encode("gb18030"))


@pytest.fixture(scope="module")
def county(tmp_path_factory) -> Path:
    """The sample county with a part of its positions."""
    folder = tmp_path_factory.mktemp("county")
    write_sample_county(folder)
    for path in (folder / "定位").glob("*.csv.gz"):
        _thin(path)
    return folder


def _city(county: Path, tmp_path: Path, url: str) -> Path:
    """A copy of the county whose store is at `url`."""
    folder = tmp_path / "county"
    shutil.copytree(county, folder)
    path = folder / "city.toml"
    text = path.read_text(encoding="utf-8")
    assert "embedded:./store" in text
    path.write_text(text.replace("embedded:./store", url), encoding="utf-8")
    return path


def _command(*words: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "xuncha.py"), *map(str, words)]


def run(*words: str | Path) -> str:
    done = subprocess.run(_command(*words), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def killed(after_s: float, *words: str | Path) -> bool:
    """Start a command and kill it without warning; whether it was still at work."""
    child = subprocess.Popen(_command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    time.sleep(after_s)
    alive = child.poll() is None
    if alive:
        os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return alive


def content(url: str) -> dict:
    """All that matters of a store: editions, positions, runs and every result."""
    store = open_store(url)
    try:
        run_ = store.current_run(DAY)
        results = {}
        if run_ is not None:
            results = {
                t.name: pd.DataFrame(store.result(run_.run_id, t.name))
                .drop(columns="geometry", errors="ignore")
                .to_csv(index=False)
                for t in TABLES.values()
                if t.kind == "result"
            }
        return {
            "editions": sorted((e.table, e.edition_id, e.rows) for e in store.editions()),
            "positions": {
                str(d): (store.positions.count(d), store.positions.sha256(d)) for d in store.positions.days()
            },
            "run": run_.run_id if run_ else None,
            "results": results,
        }
    finally:
        store.close()


@pytest.fixture(scope="module")
def undisturbed(county, tmp_path_factory) -> dict:
    """What a store holds after a load and an audit that nothing interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed")
    city = _city(county, folder, "embedded:./store")
    run("load", city)
    run("audit", city, "--day", str(DAY))
    url = f"embedded:{city.parent / 'store'}"
    return {"city": city, "url": url, **content(url)}


def test_loading_and_auditing_again_changes_nothing(undisturbed) -> None:
    again = run("load", undisturbed["city"])
    inserted = [line.split("\t")[3] for line in again.splitlines()[1:] if line.count("\t") == 6]
    assert inserted
    assert set(inserted) == {"0"}
    run("audit", undisturbed["city"], "--day", str(DAY))
    after = content(undisturbed["url"])
    assert after == {k: undisturbed[k] for k in after}


def test_every_format_and_equal_bytes(undisturbed, tmp_path) -> None:
    for name in ("a", "b"):
        run("export", undisturbed["city"], "--day", str(DAY), "--out", tmp_path / name)
    summary = json.loads((tmp_path / "a" / "summary.json").read_text(encoding="utf-8"))
    assert {r["rule_id"] for r in summary["rules"]} >= {
        "road.main",
        "road.secondary",
        "road.branch",
        "grid.rounds.central",
    }
    for r in summary["rules"]:
        assert r["windows"] == r["covered"] + r["missed"] + r["unknown"] + r["excused"]
        judged = r["windows"] - r["excused"]
        if judged:
            assert 0 <= r["rate"]["low"] <= r["rate"]["high"] <= 1
    assert all(len(i["sha256"]) == 64 for i in summary["inputs"])
    texts = [
        p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.suffix in {".csv", ".json", ".geojson"}
    ]
    assert len(texts) > 25
    for path in texts:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes(), path
    for suffix in ("xlsx", "gpkg"):
        assert (tmp_path / "a" / f"xuncha-{DAY}.{suffix}").stat().st_size > 10_000
    assert (tmp_path / "a" / "map.html").stat().st_size > 100_000


@pytest.mark.slow
def test_kill_during_load_and_audit_embedded(county, undisturbed, tmp_path) -> None:
    city = _city(county, tmp_path, "embedded:./store")
    _kill_and_mend(city, f"embedded:{city.parent / 'store'}", undisturbed)


@pytest.mark.slow
@pytest.mark.postgis
def test_kill_during_load_and_audit_postgis(county, undisturbed, tmp_path, postgis_url) -> None:
    city = _city(county, tmp_path, postgis_url)
    _kill_and_mend(city, postgis_url, undisturbed)


def _kill_and_mend(city: Path, url: str, undisturbed: dict) -> None:
    """Killed at several moments, then done: the store is as if nothing had happened."""
    hits = sum(killed(after, "load", city) for after in (2.5, 4.0, 6.0))
    assert hits >= 1, "no kill came while it was at work"
    run("load", city)
    loaded = content(url)
    for part in ("editions", "positions"):
        mine = [e for e in loaded[part] if e[0] not in DERIVED] if part == "editions" else loaded[part]
        theirs = [e for e in undisturbed[part] if e[0] not in DERIVED] if part == "editions" else undisturbed[part]
        assert mine == theirs
    hits = sum(killed(after, "audit", city, "--day", str(DAY)) for after in (4.0, 7.0))
    assert hits >= 1, "no kill came while it was at work"
    run("audit", city, "--day", str(DAY))
    after = content(url)
    assert after["run"] == undisturbed["run"]
    for table, text in undisturbed["results"].items():
        assert after["results"][table] == text, table


DERIVED = {t.name for t in TABLES.values() if t.kind == "derived"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "nosuch.toml"), 2, "找不到城市文件"),
        (("audit", "CITY", "--day", "18.3.2026"), 2, "日期写法不对"),
        (("export", "CITY", "--day", "2026-03-19"), 5, "还没有核查结果"),
        (("export", "CITY", "--day", "2026-03-18", "--format", "docx"), 2, "没有格式 docx"),
    ],
)
def test_mistakes_are_told_with_an_exit_code(undisturbed, words, code, said) -> None:
    words = [undisturbed["city"] if w == "CITY" else w for w in words]
    done = subprocess.run(_command(*words), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_teaches() -> None:
    text = run("--help")
    for command in (
        "init",
        "check",
        "load",
        "audit",
        "export",
        "serve",
        "match",
        "evaluate",
        "replay",
        "grid",
        "demo",
        "user",
    ):
        assert command in text
