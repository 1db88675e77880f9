"""What a squad owns: every scope's figures add up to the county's, who owns nothing is told so, who is named by nobody is a list."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pandas as pd
import pytest
from town import CITY, _sections, fill, frame, inputs, results
from town import DAY as TOWN_DAY

from dashboards.app import create_desk
from dashboards.auth.known_scopes import known_scopes
from dashboards.auth.principal import Principal, Scope
from dashboards.desk_manager import Choice, audit_table
from dashboards.manager_tables import table_of
from dashboards.scoped_source import run_data, windows_of
from dashboards.settings import DeskSettings
from dashboards.shell import nothing_owned
from dashboards.views import in_words, make_view
from layers.store import open_store
from layers.store.base import SourceRecord

NAMED = ("roster", "from_grid", "nobody", "roster", "from_grid", "roster")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The small county with a third squad that owns nothing, street 5 owned by nobody, and streets 1, 2 and 4 without a name in the roster."""
    store = open_store(f"embedded:{tmp_path_factory.mktemp('squads') / 'store'}")
    store.prepare()
    run = fill(store)
    none = pd.DataFrame(columns=["row", "column", "code", "zh", "en", "raw"])
    third = frame("units", [{"unit_id": "squadC", "name": "C中队", "kind": "squad", "parent_id": "A", "town_id": "A"}])
    units = pd.concat([inputs()["units"], third], ignore_index=True)
    lost = inputs()["work_grids"].assign(grid_id="g9", unit_id="squadX")[:1]
    for table, rows in (("units", units), ("work_grids", pd.concat([inputs()["work_grids"], lost], ignore_index=True))):
        store.load(
            rows, SourceRecord(table, table, f"{table}2.csv", "2" * 64, len(rows)), none, valid_from=date(2026, 1, 2)
        )
    sections = _sections()
    sections["unit_source"] = "work_grid"
    sections.loc[5, ["unit_id", "unit_source"]] = None
    store.put_derived("sections", sections, edition_id="sec2", valid_from=date(2026, 1, 2))
    found = results()
    found["section_windows"]["named_by"] = list(NAMED)
    found["section_days"] = frame("section_days", [
        {"section_id": w["section_id"], "rule_id": w["rule_id"], "windows": 1, "covered": 0, "missed": 0, "unknown": 0, "excused": 0,
         "km_windows": 1.95, "km_covered": 0.0, "km_missed": 0.0, "km_unknown": 0.0, "km_excused": 0.0, "covered_responsible": 0,
         "completed_patrols": 0, "longest_gap_s": 0.0, "within_share": 0.0, "duty_s": 27000.0, "named_by": w["named_by"]}
        for w in found["section_windows"].to_dict("records")
    ])  # fmt: skip
    editions = {e.table: e.edition_id for e in sorted(store.editions(), key=lambda e: e.valid_from)}
    store.publish(
        SimpleNamespace(**{n: getattr(run, n) for n in run.__slots__} | {"run_id": "run2", "editions": editions}),
        found,
        [],
    )
    yield create_desk(store, CITY, DeskSettings())
    store.close()


def view(desk, scope="county", role="manager"):
    return desk.view_of(Principal("v", role, Scope.parse(scope)), "zh")


def test_all_squads_and_what_is_nobodys_add_up_to_the_county(desk):
    counts = ("windows", "covered", "missed", "unknown", "excused")
    county = table_of(view(desk), TOWN_DAY, Choice(level="county")).frame.iloc[0]
    squads = table_of(view(desk), TOWN_DAY, Choice(level="squad")).frame.set_index("key")
    assert squads["windows"].to_dict() == {"squadA": 3, "squadB": 2, "-": 1}
    assert squads[list(counts)].sum().tolist() == [county[c] for c in counts] == [6, 3, 1, 1, 1]
    # each squad's own account is shown what the county says of it, no more and no less
    for squad in ("squadA", "squadB"):
        own = table_of(view(desk, f"squad:{squad}"), TOWN_DAY, Choice(level="squad")).frame.set_index("key")
        assert own.index.tolist() == [squad]
        assert own.loc[squad, list(counts)].tolist() == squads.loc[squad, list(counts)].tolist()


def test_what_is_nobodys_is_not_ranked_among_squads(desk):
    squads = table_of(view(desk), TOWN_DAY, Choice(level="squad")).frame.set_index("key")
    # squadA: one of three; squadB: one of one asked; street 5 was covered, and is nobody's
    assert squads["rank"].loc[["squadB", "squadA"]].tolist() == [1, 2]
    assert pd.isna(squads.loc["-", "rank"])


def test_a_squad_without_sections_is_told_so(desk):
    assert nothing_owned(view(desk, "squad:squadC"), TOWN_DAY).startswith("C中队 没有归属的责任路段")
    assert nothing_owned(view(desk, "squad:squadA"), TOWN_DAY) == ""
    assert nothing_owned(view(desk), TOWN_DAY) == ""
    assert len(windows_of(view(desk, "squad:squadC"), "roads", TOWN_DAY)) == 0


def test_a_unit_that_only_a_grid_names_is_no_scope(desk):
    assert set(known_scopes(desk.store, "squad")) == {"squadA", "squadB", "squadC"}


def test_sections_that_name_nobody_are_a_list_with_their_squad(desk):
    made = make_view(run_data(view(desk), TOWN_DAY), "unnamed")
    assert made.frame["section_id"].tolist() == ["c2", "c1", "c4"]  # by squad, then by road
    words = in_words(made, lang="zh", time_zone="Asia/Shanghai")
    assert words["责任人来源"].tolist() == ["无人", "由网格代填", "由网格代填"]
    assert words.columns.tolist()[:5] == ["日期", "单位名称", "中队依据", "镇街名称", "道路名称"]
    own = make_view(run_data(view(desk, "squad:squadB"), TOWN_DAY), "unnamed")
    assert own.frame["section_id"].tolist() == ["c4"]
    # the manager's table counts them by squad, and lists them
    base, standard = windows_of(view(desk), "roads", TOWN_DAY), view(desk).standard
    by_squad = audit_table(base, Choice.of({"level": "squad", "named": "unnamed"}), standard).frame.set_index("key")
    assert by_squad["subjects"].to_dict() == {"squadA": 2, "squadB": 1}
    assert by_squad["rank"].isna().all()
    listed = audit_table(base, Choice.of({"level": "section", "named": "nobody"}), standard).frame
    assert listed[["key", "unit_name", "length_mm"]].to_numpy().tolist() == [["c2", "A中队", 1_950_000]]


def test_a_person_is_told_how_many_windows_were_filled_in(desk):
    base, standard = windows_of(view(desk), "roads", TOWN_DAY), view(desk).standard
    people = audit_table(base, Choice(level="person"), standard).frame.set_index("key")
    assert people["from_grid"].to_dict() == {"pA": 1, "pB": 1}
    stored = make_view(run_data(view(desk), TOWN_DAY), "persons").frame
    assert stored.set_index("key")["from_grid"].to_dict() == {"pA": 1, "pB": 1}
