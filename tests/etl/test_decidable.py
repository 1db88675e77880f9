"""`check` and `audit` never disagree: what the one calls undecidable the other calls unknown, with the same cause."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from small_city import _TO, DAY, X0, Y0, roads, walk

from etl.base import source_files
from etl.check import check_city
from etl.load import load_city
from etl.pipeline import audit_days
from gis.decidable import OBSTACLES
from gis.errors import ImpossibleError, InputError
from layers.city import City, Source, load_city_file
from layers.store import open_store

EXAMPLES = Path(__file__).parents[2] / "examples"
AUDITED = {"section_windows": "road", "grid_days": "grid", "community_windows": "community"}

HEAD = """
[city]
id = "small"
name = "小城"
metric_crs = "EPSG:4550"
[store]
url = "embedded:./store"
[standard]
name = "xiangshan-2019"
[roads.classes]
"主干道" = "main"
"""
SOURCE = '\n[[source]]\nname = "{0}"\ntable = "{1}"\npath = "{2}"\n'
TABLES = {
    "persons.csv": ("persons", ["person_id", "name", "role", "unit_id", "duty"]),
    "devices.csv": ("devices", ["device_id", "kind", "mode"]),
    "assignments.csv": ("assignments", ["device_id", "person_id"]),
    "checkins.csv": ("checkins", ["person_id", "place_id", "time"]),
    "exceptions.csv": ("exceptions", ["exception_id", "kind", "target_kind", "target_id", "starts", "ends", "reason", "approver", "entered_at"]),
}  # fmt: skip
SQUAD, COLLECTOR, MEMBER = (
    ("p1", "甲", "squad_member", "u1", ""),
    ("p2", "乙", "collector", "u1", ""),
    ("p3", "丙", "grid_member", "u1", ""),
)
E_BIKE = ("D0", "phone", "ebike")


@dataclass(frozen=True)
class Small:
    """One small city: what its office holds, which rules cannot be decided and why (None: all that have windows can)."""

    name: str
    files: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    positions: tuple[int, ...] = (0,)
    counting: str = ""
    undecided: dict[str, str] = field(default_factory=dict)


ALL = ("road.main", "grid.rounds.central", "community.small")
LEAVE = ("L1", "leave", "person", "p1", "2026-03-18", "2026-03-19", "病假", "局长", "2026-03-17T08:00:00+08:00")
CHECKED = ("p3", "G1", "2026-03-18T09:00:00+08:00")
CITIES = (
    Small("no roster", undecided=dict.fromkeys(ALL, "no_roster")),
    Small("nothing at all", positions=(), undecided=dict.fromkeys(ALL, "no_data")),
    Small("no roster, devices count", counting="unassigned = true"),
    Small("no roster, devices of another mode count", counting='unassigned = true\nunassigned_mode = "foot"\nunassigned_modes = ["ebike"]', undecided=dict.fromkeys(ALL, "no_roster")),
    Small("roster, no devices", {"persons.csv": [SQUAD, COLLECTOR, MEMBER]}, undecided=dict.fromkeys(ALL, "no_device")),
    Small("roster, no devices, no positions", {"persons.csv": [SQUAD, COLLECTOR, MEMBER]}, positions=(), undecided=dict.fromkeys(ALL, "no_data")),
    Small("nobody named, all carry", {"persons.csv": [SQUAD, COLLECTOR, MEMBER], "devices.csv": [E_BIKE], "assignments.csv": [("D0", "p1"), ("D1", "p2"), ("D2", "p3")]}, (0, 1, 2)),
    Small("other roles only", {"persons.csv": [COLLECTOR], "devices.csv": [E_BIKE], "assignments.csv": [("D0", "p2")]}, undecided={"road.main": "no_roster", "community.small": "no_roster"}),
    Small("the squad carries a device that sent nothing", {"persons.csv": [SQUAD, COLLECTOR], "assignments.csv": [("D9", "p1"), ("D0", "p2")]}, undecided={"road.main": "no_device", "community.small": "no_roster"}),
    Small("an unknown person carries the device", {"persons.csv": [SQUAD], "assignments.csv": [("D0", "p9")]}, undecided={"road.main": "no_device", "grid.rounds.central": "no_roster", "community.small": "no_roster"}),
    Small("the whole squad is on leave", {"persons.csv": [SQUAD, COLLECTOR], "assignments.csv": [("D9", "p1"), ("D0", "p2")], "exceptions.csv": [LEAVE]}, undecided={"community.small": "no_roster"}),
    Small("check-ins alone", {"persons.csv": [SQUAD, MEMBER], "checkins.csv": [CHECKED]}, positions=(), undecided={"road.main": "no_data", "grid.rounds.central": "no_data"}),
    Small("a member without a device, and no check-in", {"persons.csv": [SQUAD, MEMBER], "assignments.csv": [("D0", "p1")]}, undecided={"grid.rounds.central": "no_roster", "community.small": "no_device"}),
)  # fmt: skip


def write(folder: Path, small: Small) -> Path:
    """Five streets, one work grid and one community grid over all of them, and what the office holds."""
    (folder / "roads.geojson").write_text(json.dumps(roads(), ensure_ascii=False), encoding="utf-8")
    ring = [
        _TO.transform(X0 + x, Y0 + y) for x, y in ((-100, -100), (1100, -100), (1100, 1700), (-100, 1700), (-100, -100))
    ]
    text = HEAD + SOURCE.format("道路", "road_edges", "roads.geojson")
    for name, more in (("work_grids", {"grid_id": "W1", "level": "central"}), ("community_grids", {"grid_id": "G1"})):
        feature = {"type": "Feature", "properties": more, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        collection = {"type": "FeatureCollection", "features": [feature]}
        (folder / f"{name}.geojson").write_text(json.dumps(collection), encoding="utf-8")
        text += SOURCE.format(name, name, f"{name}.geojson")
    for name, rows in small.files.items():
        table, columns = TABLES[name]
        pd.DataFrame(rows, columns=columns).to_csv(folder / name, index=False)
        text += SOURCE.format(table, table, name)
    if small.positions:
        pd.concat([walk(i) for i in small.positions]).to_csv(folder / "positions.csv", index=False)
        text += SOURCE.format("轨迹", "positions", "positions.csv")
    (folder / "city.toml").write_text(
        text + (f"\n[counting]\n{small.counting}\n" if small.counting else ""), encoding="utf-8"
    )
    return folder / "city.toml"


def said(path: Path, day: date) -> tuple[dict[str, str], dict[str, str], dict[str, pd.DataFrame], pd.DataFrame]:
    """What check answers of the sources and of the store, the audit's tables, and its findings."""
    city = load_city_file(path)
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store)
    reports = [check_city(city).rules, check_city(city, store).rules]
    (run,) = audit_days(city, store, [day])
    tables = {name: store.result(run.run_id, name) for name in AUDITED}
    findings = store.result(run.run_id, "findings")
    store.close()
    return *(dict(zip(r["rule_id"], r["answer"], strict=True)) for r in reports), tables, findings  # type: ignore[return-value]


def judged(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Outcome and cause of the windows that are asked for, by rule."""
    rows = pd.concat([t[["rule_id", "outcome", "cause"]] for t in tables.values()], ignore_index=True)
    rows = rows[~rows["outcome"].isin(("open", "no_rule", "excused"))]
    return {str(rule): of for rule, of in rows.groupby("rule_id")}


def assert_agree(answers: dict[str, str], tables: dict[str, pd.DataFrame]) -> None:
    for rule, rows in judged(tables).items():
        barred = rows["cause"].isin(OBSTACLES).all()
        assert (answers[rule] == "no") == barred, (rule, answers[rule], rows.value_counts().to_dict())
        if barred:
            assert set(rows["outcome"]) == {"unknown"}, rule


@pytest.mark.parametrize("small", CITIES, ids=lambda s: s.name)
def test_check_and_audit_agree_on_small_cities(tmp_path, small):
    of_sources, of_store, tables, findings = said(write(tmp_path, small), DAY)
    assert of_sources == of_store
    assert_agree(of_sources, tables)
    rows = judged(tables)
    assert set(ALL) <= set(rows)
    causes = {rule: set(rows[rule]["cause"]) for rule in ALL if of_sources[rule] == "no"}
    assert causes == {rule: {code} for rule, code in small.undecided.items()}
    told = {
        (str(c), str(s))
        for c, s in zip(findings["code"], findings["subject"], strict=True)
        if str(c).startswith("rule.")
    }
    assert {(f"rule.{code}", rule) for rule, code in small.undecided.items()} <= told


def test_where_the_whole_squad_is_on_leave_a_miss_is_certain(tmp_path):
    small = next(c for c in CITIES if c.name == "the whole squad is on leave")
    windows = said(write(tmp_path, small), DAY)[2]["section_windows"]
    assert set(zip(windows["outcome"], windows["cause"], windows["attribution"], strict=True)) == {
        ("missed", "no_rostered", "unit")
    }


def test_a_day_that_cannot_be_decided_is_told_beside_those_that_can(tmp_path):
    """D0 is p1's only on the 18th; on the 17th only a stranger's device was heard."""
    small = next(c for c in CITIES if c.name == "nobody named, all carry")
    path = write(tmp_path, small)
    before = walk(4).assign(time=lambda f: f["time"].str.replace(str(DAY), "2026-03-17"))
    before.to_csv(tmp_path / "positions_before.csv", index=False)
    text = path.read_text(encoding="utf-8").replace('path = "positions.csv"', 'path = "positions*.csv"')
    path.write_text(text, encoding="utf-8")
    of_sources, of_store, tables, _ = said(path, date(2026, 3, 17))
    assert of_sources == of_store
    assert of_sources["road.main"] == "partly"
    assert set(judged(tables)["road.main"]["cause"]) == {"no_device"}


def there(source: Source, city: City) -> bool:
    """Whether the files of a source exist."""
    try:
        return bool(source_files(source, city))
    except InputError:
        return False


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir()))
def test_check_and_audit_agree_on_the_examples(tmp_path, data_root, name, monkeypatch):
    monkeypatch.setenv("XUNCHA_DATA", str(data_root))  # as the examples' city files name it
    shutil.copytree(EXAMPLES / name, tmp_path / name)
    city = load_city_file(tmp_path / name / "city.toml")
    city = city.model_copy(update={"sources": tuple(s for s in city.sources if there(s, city))})  # grids are cut later
    held = check_city(city)
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store)
    days = store.positions.days()
    day = days[-1] if days else DAY
    try:
        (run,) = audit_days(city, store, [day])
    except ImpossibleError:
        pytest.fail(f"{name} cannot be audited on {day}")
    answers = dict(zip(held.rules["rule_id"], held.rules["answer"], strict=True))
    assert_agree(answers, {t: store.result(run.run_id, t) for t in AUDITED})
    store.close()
