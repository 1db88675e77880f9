"""`measure.confirmation`: the report and the manager's page say whether a named person confirmed the figures, or ask for nothing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pymupdf
import pytest
import small_run

from dashboards.app import create_desk
from dashboards.auth.principal import Principal, Scope
from dashboards.exports.files import run_file
from dashboards.exports.run import export_days
from dashboards.pages import manager
from dashboards.scoped_source import export_city
from dashboards.settings import DeskSettings
from layers.standard_editions import standard_of, store_standard
from layers.store import open_store


@pytest.fixture
def desk_of(tmp_path, built):
    """A desk over the small run, its run pinned to a standard that asks for confirmation or does not."""
    stores = []

    def make(asked: bool):
        (tmp_path / "own.toml").write_text(
            f'extends = "xiangshan-2019"\n[measure.confirmation]\nvalue = {str(asked).lower()}\n', encoding="utf-8"
        )
        named = SimpleNamespace(name=None, path="own.toml")
        city = SimpleNamespace(
            name="小城", name_en="", timezone="Asia/Shanghai", standard=named, resolve=lambda p: tmp_path / p, map=None
        )
        store = open_store(f"embedded:{tmp_path / 'store'}")
        stores.append(store)
        store.prepare()
        run = small_run.fill(store)
        edition = store_standard(store, standard_of(city), file="own.toml")
        store.publish(replace(run, run_id="p" * 64, standard_edition=edition.edition_id), {}, [])
        return create_desk(store, city, DeskSettings()), city

    yield make
    for store in stores:
        store.close()


def cover(body: bytes) -> str:
    with pymupdf.open(stream=body, filetype="pdf") as document:
        return document[0].get_text()


def report(desk, scope="county"):
    view = desk.view_of(Principal("王主任", "manager", Scope.parse(scope)), "zh", {"day": str(small_run.DAY)})
    return view, cover(run_file(view.data, export_city(view), view.standard, small_run.DAY, "pdf", "zh")[1])


def test_the_report_is_marked_until_a_named_person_confirms(desk_of, tmp_path):
    desk, city = desk_of(asked=True)
    view, before = report(desk)
    assert "未经确认" in before
    assert "尚未确认" in str(manager.layout(view))
    run = view.data.run(small_run.DAY)
    view.data.confirm({"figure": "kind=rounds", "day": str(small_run.DAY), "run_id": run.run_id})
    view.data.confirm({"figure": "all", "day": str(small_run.DAY), "run_id": "r" * 64})  # an earlier run
    assert "未经确认" in report(desk)[1]
    view.data.confirm({"figure": "all", "day": str(small_run.DAY), "run_id": run.run_id})
    after = report(desk)[1]
    assert "已由 王主任 确认" in after
    assert "未经确认" not in after
    (path,) = [
        p
        for p in export_days(city, desk.store, [small_run.DAY], tmp_path / "out", formats=["pdf"])
        if p.suffix == ".pdf"
    ]
    assert "已由 王主任 确认" in cover(path.read_bytes())
    assert "未经确认" in report(desk, "town:T1")[1]  # the county's confirmation is not the town's


def test_a_standard_that_asks_for_none_prints_none(desk_of):
    desk, _ = desk_of(asked=False)
    view, text = report(desk)
    assert "确认" not in text
    page = str(manager.layout(view))
    assert "不要求署名确认" in page
    assert "尚未确认" not in page
