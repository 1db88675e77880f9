"""The data page's tables: what adds up, what was set aside, what the standard says."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import pandas as pd
from small_run import RUN

from dashboards import desk_data as data
from layers.standard_files import load_standard
from layers.store.base import Edition, Manifest, Note, Run, SourceRecord

STANDARD = load_standard("xiangshan-2019")
NOW = datetime(2026, 3, 18, 1, tzinfo=UTC)


def manifest(source, rows_in, inserted, present, reasons):
    record = SourceRecord(source, "cases", f"{source}.csv", "a" * 64, rows_in, notes=(Note("修复 1 处", "1 repaired"),))
    return Manifest(source, record, inserted, present, sum(reasons.values()), reasons, NOW, "e1")


LOADS = [
    manifest("甲", 10, 7, 1, {"time_naive": 2}),
    manifest("乙", 5, 5, 0, {}),
    manifest("甲", 4, 3, 0, {"time_naive": 1, "lat_impossible": 1}),
]


def test_a_load_adds_up_or_says_so():
    table = data.manifest_table(LOADS)
    assert table["adds_up"].tolist() == [True, True, False]  # 3 + 0 + 2 is not 4
    assert table["reasons"].iloc[2] == {"lat_impossible": 1, "time_naive": 1}


def test_reasons_are_summed_over_loads_most_first():
    counts = data.reason_counts(LOADS)
    assert counts.to_numpy().tolist() == [["甲", "time_naive", 3], ["甲", "lat_impossible", 1]]
    assert len(data.reason_counts([LOADS[1]])) == 0


def rejected():
    return pd.DataFrame({
        "manifest_id": ["m"] * 3, "source": ["甲", "甲", "乙"], "row": [3, 4, 5], "column": ["时间", "纬度", None],
        "code": ["time_naive", "lat_impossible", "time_naive"], "zh": ["时间没有时区"] * 3, "en": ["no time zone"] * 3,
        "raw": ['{"时间": "9:00", "空": null}', "=cmd()", "@x"],
    })  # fmt: skip


def test_quarantine_by_source_and_reason():
    assert data.quarantine_rows(rejected(), source="甲")["row"].tolist() == [3, 4]
    assert data.quarantine_rows(rejected(), source="甲", code="time_naive")["row"].tolist() == [3]
    assert len(data.quarantine_rows(rejected())) == 3


def test_an_exported_row_is_never_a_formula():
    text = data.quarantine_csv(rejected())
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [r["raw"] for r in rows] == ['{"时间": "9:00", "空": null}', "'=cmd()", "'@x"]
    assert rows[2]["column"] == ""


def test_a_row_as_read_in_words():
    assert data.raw_words('{"时间": "9:00", "空": null, "纬度": "91"}') == "时间：9:00；纬度：91"
    assert data.raw_words('{"时间": "9:00", "纬度": "91"}', lang="en") == "时间: 9:00; 纬度: 91"
    assert data.raw_words("no json") == "no json"
    assert len(data.raw_words("x" * 500)) == 160


def test_runs_with_their_stages_and_the_pointer():
    older = Run(
        "old",
        RUN.day,
        "hand",
        "s",
        "1",
        {},
        [{"name": "roads", "sha256": "0" * 64, "rows": 2}],
        "0",
        NOW,
        {"match": 1.5, "rules": 2.0},
    )
    table = data.run_table([RUN, older], {RUN.day: RUN.run_id}, present="e" * 64)
    assert table["current"].tolist() == [True, False]
    assert table["total_s"].tolist() == [0.0, 3.5]
    assert data.run_table([older], {}, present="", inputs=False)["inputs"].iloc[0] == []


def test_editions_newest_first_and_which_are_used():
    editions = [Edition(f"e{k}", "cases", k, date(2026, 1, k), NOW, ("m",)) for k in (1, 2)]
    table = data.edition_table(editions, {"cases": "e2"})
    assert table[["edition_id", "used"]].to_numpy().tolist() == [["e2", True], ["e1", False]]
    assert table["warnings"].tolist() == [[], []]


def test_every_rule_and_clock_has_its_clause_and_sentence():
    for lang in ("zh", "en"):
        rules = data.rule_table(STANDARD, lang).set_index("rule_id")
        assert set(rules.index) == {*STANDARD.rules, *STANDARD.clocks}
        assert rules["clause"].str.len().min() > 0
        assert rules["quote"].str.len().min() > 0
    assert rules.loc["road.main", "figure"] == "every 1 h"
    assert rules.loc["road.branch", "figure"] == "once a day"
    assert rules.loc["density.central", "figure"] == "1 per 0.5 km²"
    assert rules.loc["grid.rounds.central", "figure"] == "6 rounds a day or more"


def test_every_assumption_has_a_reason():
    table = data.assumption_table(STANDARD, "zh")
    assert len(table) == len(STANDARD.assumptions())
    assert table["reason"].str.len().min() > 0
    assert table.set_index("key").loc["measure.patrol_speed_kmh", "value"].startswith("foot 10, ebike 25, vehicle 40")


def test_scenes_with_bands_and_cloud_mask():
    scenes = pd.DataFrame({
        "scene_id": ["a", "b"], "acquired": [date(2025, 1, 1), date(2026, 1, 1)], "sensor": ["S2", None], "crs": ["EPSG:32651"] * 2, "nodata": [0.0, None],
        "sha256": ["0", "1"], "bands": [{"red": {"path": "x/r.tif", "index": 1}}, {"nir": {"path": "n.tif", "index": 2}}],
        "cloud_mask": [None, {"path": "x/cloud.tif", "values": [1]}],
    })  # fmt: skip
    table = data.scene_table(scenes)
    assert table[["scene_id", "bands", "cloud"]].to_numpy().tolist() == [
        ["b", "nir: n.tif#2", "cloud.tif"],
        ["a", "red: r.tif#1", ""],
    ]


def test_a_reason_has_words_where_all_of_its_rows_say_the_same():
    rows = pd.DataFrame({"code": ["a", "a", "b", "b"], "zh": ["甲", "甲", "3 行", "4 行"], "en": ["x", "x", "3", "4"]})
    assert data.reason_words(rows, "zh") == {"a": "甲"}
    assert data.reason_words(rows.iloc[:0], "en") == {}
