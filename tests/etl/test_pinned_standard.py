"""A standard that is edited moves no past figure: pages, exports and evidence of a run are told by the standard that it pinned."""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from plotly.utils import PlotlyJSONEncoder
from small_city import DAY, opened, walk, write
from typer.testing import CliRunner

import xuncha
from dashboards.app import create_desk
from dashboards.auth.principal import Principal, Scope
from dashboards.build import build
from dashboards.desk_manager import Choice
from dashboards.exports.files import run_file
from dashboards.exports.routes import table_file
from dashboards.exports.run import export_days
from dashboards.pages import data, explain, manager, planner
from dashboards.planner_choice import choice_from
from dashboards.planner_detail import detail
from dashboards.scoped_source import export_city
from dashboards.settings import DeskSettings
from etl.pipeline import audit_days
from layers.city import load_city_file
from layers.store import open_store

BEFORE = 'extends = "xiangshan-2019"\nid = "own"\nversion = "1"\n'
AFTER = f"""{BEFORE}
[rules."road.main"]
interval_s = 7200
roles = ["collector"]
quote = "改过的原文"
zh = "改过的规则"
[measure.full_patrol_share]
value = 0.5
[measure.weight]
value = "count"
[measure.rank_by]
value = "rate_high"
[measure.rates_exclude_excused]
value = false
[measure.patrol_speed_kmh]
value = {{ foot = 1.0, ebike = 1.0, vehicle = 1.0 }}
[schedules.collector]
periods = ["10:00-11:00"]
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A small city with a standard file of its own: streets 0 and 1 are walked all morning, street 2 for a while."""
    build()
    folder = tmp_path_factory.mktemp("pinned")
    city = write(folder, positions=pd.concat([walk(0), walk(1), walk(2, "09:00", "09:20")], ignore_index=True))
    text = (folder / "city.toml").read_text(encoding="utf-8")
    (folder / "city.toml").write_text(text.replace('name = "xiangshan-2019"', 'path = "own.toml"'), encoding="utf-8")
    (folder / "own.toml").write_text(BEFORE, encoding="utf-8")
    city = load_city_file(folder / "city.toml")
    store = opened(city)
    audit_days(city, store, [DAY])
    store.close()
    return city


@pytest.fixture
def edited(audited):
    """The file as it is after somebody changed it; put back afterwards."""
    path = audited.root / "own.toml"
    path.write_text(AFTER, encoding="utf-8")
    yield audited
    path.write_text(BEFORE, encoding="utf-8")


def cells(workbook):
    """The text of every sheet (the file itself names the moment of its making)."""
    sheets = openpyxl.load_workbook(BytesIO(workbook)).worksheets
    return str([list(sheet.values) for sheet in sheets])


def shown(city, out):
    """Everything that people see and export of the day, as text and bytes by name; the desk is opened anew."""
    store = open_store(city.store_url)
    desk = create_desk(store, city, DeskSettings())
    section = store.read("sections", store.edition_at("sections", DAY).edition_id)["section_id"].iloc[0]

    def view(role="manager", **query):
        return desk.view_of(Principal("someone", role, Scope.parse("county")), "zh", {"day": str(DAY), **query})

    parts = {
        "manager": manager.layout(view()),
        "manager windows": manager.layout(view(level="window")),
        "planner": planner.layout(view("planner")),
        "explain": explain.layout(view("command", section=section, rule="road.main", window="1")),
        "road": detail(
            view("planner"), choice_from({"measure": "road_rate"}, [DAY]),
            {"layer": "roads", "id": store.read("segments", store.edition_at("segments", DAY).edition_id)["segment_id"].iloc[0]},
        ),
    }  # fmt: skip
    found = {
        n: re.sub(r"stats[^ ]*", "", json.dumps(p, cls=PlotlyJSONEncoder, ensure_ascii=False)) for n, p in parts.items()
    }
    found["table.csv"] = table_file(view(), DAY, Choice(level="section"), "csv")[1]
    for kind in ("csv", "pdf", "xlsx"):
        body = run_file(view().data, export_city(view()), view().standard, DAY, kind, "zh")[1]
        found[f"run {kind}"] = cells(body) if kind == "xlsx" else body
    folder = out / "cli"
    export_days(city, store, [DAY], folder, formats=["pdf", "csv"])
    found |= {f"cli {p.name}": p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    found["duty"] = str(view("command").data.duty(DAY))
    store.close()
    return found


def test_editing_the_file_moves_nothing_of_the_past(audited, tmp_path):
    before = shown(audited, tmp_path / "a")
    (audited.root / "own.toml").write_text(AFTER, encoding="utf-8")
    try:
        after = shown(audited, tmp_path / "b")
    finally:
        (audited.root / "own.toml").write_text(BEFORE, encoding="utf-8")
    assert "每1小时开展1次全面巡查" in before["explain"]
    assert "按公里" in before["manager"]
    assert [n for n in before if before[n] != after[n]] == []


def test_the_data_page_and_the_list_say_which_standard_and_whether_it_changed(audited, edited):
    store = open_store(edited.store_url)
    (run,) = store.runs(DAY)
    desk = create_desk(store, edited, DeskSettings())
    view = desk.view_of(Principal("someone", "administrator", Scope.parse("county")), "zh", {})
    page = json.dumps(data.contents(view, "runs"), cls=PlotlyJSONEncoder, ensure_ascii=False)
    assert "标准文件此后已改" in page
    assert run.standard_edition in page
    store.close()
    listed = CliRunner().invoke(xuncha.app, ["runs", str(edited.path)]).output
    assert f"[{run.standard_edition[:12]}（标准文件此后已改）]" in listed


def test_the_pinned_standard_can_be_printed(audited, edited):
    store = open_store(edited.store_url)
    (run,) = store.runs(DAY)
    store.close()
    for how in (["--day", str(DAY)], ["--run", run.run_id[:10]]):
        told = CliRunner().invoke(xuncha.app, ["standard", "show", str(edited.path), *how])
        assert told.exit_code == 0
        assert run.standard_edition in told.output
        assert "每1小时开展1次全面巡查" in told.output
        assert "改过的原文" not in told.output
    assert "改过的原文" in CliRunner().invoke(xuncha.app, ["standard", "show", str(edited.root / "own.toml")]).output
    nothing = CliRunner().invoke(xuncha.app, ["standard", "show", str(edited.path), "--run", "zzz"])
    assert nothing.exit_code != 0


def test_a_new_audit_applies_the_edited_file_and_tells_the_difference(edited, tmp_path):
    store = open_store(edited.store_url)
    (before,) = store.runs(DAY)
    (after,) = audit_days(edited, store, [DAY])
    assert after.run_id != before.run_id
    assert after.standard_edition != before.standard_edition
    assert [e.edition_id for e in store.standards()] == [before.standard_edition, after.standard_edition]
    changes = store.difference(after.run_id)
    assert set(changes["column"]) >= {"outcome"}
    seen = shown(edited, tmp_path)
    assert "改过的原文" in seen["explain"]
    with zipfile.ZipFile(BytesIO(seen["run csv"])) as archive:
        summary = json.loads(archive.read("summary.json"))
    assert summary["standard"]["edition"] == after.standard_edition
    store.close()


def test_no_page_reads_the_present_standard_of_a_past_day():
    """`view.standard` is the file of today: whoever shows figures of a day asks `view.standard_on(day)`."""
    allowed = {
        "dashboards/context.py",  # defines both
        "dashboards/data_audits.py",  # the page of the present file, and whether it has changed
        "dashboards/scoped_source.py",  # stands in where a run pins none
        "dashboards/exports/routes.py",  # likewise
    }
    root = Path(xuncha.__file__).parent
    found = {
        str(p.relative_to(root))
        for p in (root / "dashboards").rglob("*.py")
        if re.search(r"\bview\.standard\b", p.read_text("utf-8"))
    }
    assert found <= allowed
