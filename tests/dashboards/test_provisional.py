"""What pages and files say of days whose holidays are not published, and which clocks a workbook prints."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from dashboards.explain_parts import _flag
from dashboards.exports.workbook import _printed
from dashboards.i18n import load_words
from dashboards.manager_parts import provisional_note
from dashboards.views import View, in_words
from layers.contracts import TABLES

WORDS = load_words(files("dashboards") / "i18n")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_manager_s_page_says_that_a_day_is_provisional(lang) -> None:
    t = WORDS.translator(lang)
    (note,) = provisional_note(t, pd.DataFrame({"provisional": [False, True]}))
    assert {"zh": "暂定", "en": "Provisional"}[lang] in note.children
    for none in ([False, False], [None, None], [pd.NA]):
        assert provisional_note(t, pd.DataFrame({"provisional": none})) == []
    assert provisional_note(t, pd.DataFrame({"rule_id": ["road.main"]})) == []  # a run from before the column


def test_a_flag_of_the_evidence_page() -> None:
    assert [_flag(v) for v in (True, np.True_, False, np.False_, None, pd.NA, float("nan"))] == [
        True,
        True,
        *[False] * 5,
    ]


def clocks_view(rows) -> View:
    columns = TABLES["case_clocks"].columns
    frame = pd.DataFrame([dict.fromkeys(c.name for c in columns) | r for r in rows])
    return View("clocks", "处置时限", "Disposal clocks", columns, frame)


def test_a_workbook_prints_the_clocks_that_call_for_something() -> None:
    rows = [
        {"case_id": "in", "outcome": "on_time", "outcome_clause": "on_time", "outcome_file": "on_time"},
        {"case_id": "file", "outcome": "on_time", "outcome_clause": "on_time", "outcome_file": "late"},
        {"case_id": "clause", "outcome": "late", "outcome_clause": "late", "outcome_file": "on_time"},
        {"case_id": "order", "outcome": "impossible", "cause": "closed_before_opened", "provisional": False},
        {"case_id": "none", "outcome": "no_data", "cause": "no_verification", "provisional": True},
    ]
    assert _printed(clocks_view(rows)).frame["case_id"].tolist() == ["file", "clause", "order"]
    old = View("clocks", "处置时限", "Disposal clocks", (), pd.DataFrame({"outcome": ["late", "running"]}))
    assert _printed(old).frame["outcome"].tolist() == ["late"]  # a run from before the two outcomes
    words = in_words(clocks_view(rows), lang="zh", time_zone="Asia/Shanghai")
    assert words["结果"].tolist() == ["按时", "按时", "超时办结", "时间矛盾", "没有数据"]
    assert words["原因"].tolist()[3:] == ["结案早于立案", "没有核查时间"]
    assert words["暂定"].tolist()[3:] == ["否", "是"]
