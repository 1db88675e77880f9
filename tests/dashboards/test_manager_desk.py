"""The manager's table, by hand on the small run: two sections, four windows of 1 km: covered, missed | unknown, excused."""

from __future__ import annotations

import re
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import small_run

from dashboards.desk_explain import near, of_passes, with_persons
from dashboards.desk_manager import Choice, audit_table, path_names, totals, trend
from dashboards.exports import export_days
from dashboards.exports.html_map import STATIC
from dashboards.manager_parts import _cell, _heads
from dashboards.pages.manager import changed, next_state
from dashboards.scope_passes import speed_kmh
from dashboards.tally import base_of, tally
from dashboards.views import make_view, open_run
from layers.contracts import Column
from layers.standard_files import load_standard
from layers.store import open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = open_store(f"embedded:{tmp_path_factory.mktemp('manager') / 'store'}")
    store.prepare()
    small_run.fill(store)
    yield store
    store.close()


@pytest.fixture(scope="module")
def standard():
    return load_standard("xiangshan-2019")


@pytest.fixture(scope="module")
def base(store):
    return base_of("roads", make_view(open_run(store, small_run.DAY), "windows").frame)


def test_a_section_has_its_counts_and_bounds(base, standard):
    # S0: covered + missed of 1 km each: 1/2 both bounds. S1: unknown + excused: 0 of 1 asked, 1 of 1 at best.
    rows = audit_table(base, Choice(level="section"), standard).frame.set_index("key")
    names = ["windows", "covered", "missed", "unknown", "excused"]
    assert rows.loc["S0", names].tolist() == [2, 1, 1, 0, 0]
    assert rows.loc["S1", names].tolist() == [2, 0, 0, 1, 1]
    assert rows.loc["S0", ["rate_low", "rate_high"]].tolist() == [0.5, 0.5]
    assert rows.loc["S1", ["rate_low", "rate_high"]].tolist() == [0.0, 1.0]
    assert rows["rank"].to_dict() == {"S0": 1, "S1": 2}  # by the lower bound


def test_levels_add_up_to_the_stored_roll_up(base, standard):
    # the stored roll-up of the rule: 4 windows, 1 covered, 1 missed, 1 unknown, 1 excused: 1/3 and 2/3
    for level in ("county", "town", "squad", "grid", "class", "person"):
        (row,) = audit_table(base, Choice(level=level), standard).frame.to_dict("records")
        assert [row[k] for k in ("windows", "covered", "missed", "unknown", "excused")] == [4, 1, 1, 1, 1]
        assert row["rate_low"] == pytest.approx(1 / 3)
        assert row["rate_high"] == pytest.approx(2 / 3)
        assert row["covered_responsible"] == 1


def test_drilling_keeps_the_path_and_steps_back(base, standard):
    choice = Choice(level="town").into("T1").into("U1").into("G1")
    assert choice.level == "road"
    assert dict(choice.path) == {"town": "T1", "squad": "U1", "grid": "G1"}
    windows = Choice(level="section").into("S0")
    assert audit_table(base, windows, standard).frame["outcome"].tolist() == ["covered", "missed"]
    assert dict(choice.up_to("squad").path) == {"town": "T1"}
    assert totals(base, windows, standard)["entitled"]["windows"] == 2


def test_what_belongs_to_no_squad_is_drilled_too(base, standard):
    none = base.assign(unit_id="", unit_name="")
    (squad,) = audit_table(none, Choice(level="squad"), standard).frame.to_dict("records")
    assert (squad["key"], squad["name"]) == ("-", "未划分")
    below = Choice(level="squad").into(squad["key"])
    assert audit_table(none, below, standard).frame["windows"].sum() == 4
    column = Column("name", "str", "中队", "Squad")
    shown = _cell(SimpleNamespace(lang="zh"), column, squad, "未划分", into=True)
    assert (shown["text"], shown["do"], shown["key"]) == ("未划分", "into", "-")  # a button that leads into it


def test_a_road_without_a_name_is_called_so(base, standard):
    nameless = base.assign(road_name="", road_id="R1")
    named = audit_table(nameless, Choice(level="road"), standard).frame
    assert set(named["name"]) == {"无名路"}
    assert path_names(nameless, Choice(level="section", path={"road": "R1"}), "en") == {"road": "Unnamed road"}


def test_sorting_finding_and_filtering(base, standard):
    def keys(**asked):
        return audit_table(base, Choice(level="section", **asked), standard).frame["key"].tolist()

    assert keys() == ["S1", "S0"]  # worst first
    assert keys(sort="rate_low", down=True) == ["S0", "S1"]
    assert keys(outcome="missed") == ["S0"]
    assert keys(find="丹河") == ["S1"]
    assert keys(find="张三") == ["S0", "S1"] or keys(find="张三") == ["S1", "S0"]
    assert keys(rule="road.branch") == []


def test_a_choice_survives_its_address():
    choice = Choice(kind="community", level="window", path={"town": "T1"}, find="村", outcome="missed", sort="starts", down=True)  # fmt: skip
    assert Choice.of(choice.query()) == choice
    assert Choice.of({"kind": "nonsense", "level": "x", "outcome": "y"}) == Choice()
    state = {"query": {}, "day": "2026-03-18", "start": 100}
    new = next_state(state, {"type": "manager-do", "do": "into", "key": "T1"}, {"day": "2026-03-18"})
    assert new == {"query": {"level": "squad", "in_town": "T1"}, "day": "2026-03-18", "start": 0}
    assert changed(changed(Choice(), "sort", "missed"), "turn", "missed").down is False  # first most, then least


def test_the_heading_of_the_order_in_which_rows_stand_says_so_and_turns_it(base, standard):
    column = Column("rate_low", "float", "达标率下限", "Rate")
    view = SimpleNamespace(t=lambda key, **fill: key, standard_on=lambda _: standard)
    for choice, order in ((Choice(level="section"), "ascending"), (Choice(sort="rate_low", down=True), "descending")):
        (head,) = _heads(view, small_run.DAY, choice, [column], ["达标率下限"])
        assert (head["order"], head["do"], head["key"]) == (order, "turn", "rate_low")
    turned = audit_table(base, changed(Choice(level="section"), "turn", "rate_low"), standard).frame
    assert turned["key"].tolist() == ["S0", "S1"]  # best first: by default the worst stands first


def test_two_persons_of_a_window_each_answer_for_it(base, standard):
    both = base.assign(person_ids="P1;P2", persons="张三、李四")
    rows = audit_table(both, Choice(level="person"), standard).frame
    assert dict(zip(rows["name"], rows["windows"], strict=True)) == {"张三": 4, "李四": 4}
    assert totals(both, Choice(level="person"), standard)["entitled"]["windows"] == 4  # but once in all


def test_a_trend_has_a_row_a_day(base, standard):
    days = {date(2026, 3, 17): base.iloc[:1], date(2026, 3, 18): base, date(2026, 3, 19): base.iloc[:0]}
    rows = trend({d: totals(part, Choice(), standard) for d, part in days.items()})
    assert rows["windows"].tolist() == [1, 4]
    assert rows["rate_low"].tolist() == pytest.approx([1.0, 1 / 3])


def test_the_report_embeds_its_font_and_holds_the_tables_figures(built, store, tmp_path):
    pymupdf = pytest.importorskip("pymupdf")
    city = SimpleNamespace(name="象山县", timezone="Asia/Shanghai")
    for name in ("a", "b"):
        export_days(city, store, [small_run.DAY], tmp_path / name, formats=["pdf"])
    path = tmp_path / "a" / "xuncha-2026-03-18.pdf"
    assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    with pymupdf.open(path) as document:
        text = "".join(page.get_text() for page in document)
        fonts = {f[3] for page in document for f in page.get_fonts()}
    plain = re.sub(r"\s", "", text)
    assert (STATIC / "manifest.json").exists()
    assert fonts
    assert all("NotoSansSC" in f for f in fonts)  # nothing left to the reader's machine
    assert "应巡4次（4.0公里·次），已巡1，漏巡1，未知1，免巡1；达标率33.3%–66.7%" in plain
    assert "城区主干道及重要商业街道在正常上班时间内每1小时开展1次全面巡查" in plain
    assert "r" * 12 in plain
    assert "0" * 60 in plain  # the input's hash


DUTY = pd.DataFrame(
    {"person_id": ["P1", "P2"], "device_id": ["d1", "d2"], "from_ms": [0, 0], "to_ms": [100_000, 100_000]}
)


def test_passes_name_those_of_the_scope_who_carried_the_device_during_them():
    rows = pd.DataFrame({
        "device_id": ["d1", "d2", "d1", "d9"], "enter_ms": [0, 1, 99_000, 5], "leave_ms": [36_000, 36_001, 120_000, 10],
    })  # fmt: skip
    both = pd.concat([DUTY, DUTY.iloc[:1].assign(person_id="P0")], ignore_index=True)
    assert with_persons(rows, both, {"P1": "张三"})["person"].tolist() == ["P0、张三", "P2", "P0、张三", ""]
    assert with_persons(rows.iloc[:0], both, {}).empty


def test_speed_is_that_by_which_the_audit_judged():
    rows = pd.DataFrame({"moved_mm": [80_000, 10_000, 10_000], "took_ms": [60_000, 3000, 0]})
    assert speed_kmh(rows)[:2].round(6).tolist() == [4.8, 12.0]
    assert np.isnan(speed_kmh(rows)[2])


def test_fixes_far_from_the_section_are_left_out():
    fixes = pd.DataFrame({"lon": [121.875, 121.875], "lat": [29.471, 29.48]})  # 110 m and 1.1 km north of S0
    assert near(fixes, small_run.LINES[0])["lat"].tolist() == [29.471]


def test_tally_weighs_by_kilometre(base, standard):
    longer = base.assign(length_mm=[3_000_000, 1_000_000, 1_000_000, 1_000_000])
    assert tally(longer, None, standard)["rate_low"].tolist() == [pytest.approx(3 / 5)]  # 3 of 3 + 1 + 1 km asked


def test_fixes_of_passes_are_told_from_others() -> None:
    fixes = pd.DataFrame({"device_id": ["a", "a", "a", "b"], "t_ms": [0, 60_000, 130_000, 60_000]})
    rows = pd.DataFrame({"device_id": ["a"], "enter_ms": [50_000], "leave_ms": [100_000]})
    # 0 is 50 s before the pass, 130,000 is 30 s after it; b passed nowhere.
    assert of_passes(fixes, rows).tolist() == [False, True, True, False]
    assert of_passes(fixes, rows.drop(columns="device_id")).tolist() == [False] * 4
