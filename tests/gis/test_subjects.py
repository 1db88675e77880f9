"""Cases outside the standard's subjects are told, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from gis.subjects import subject_notes
from layers.standard_files import load_standard, parse_standard

STANDARD = load_standard("xiangshan-2019")


def notes(categories, standard=STANDARD):
    cases = pd.DataFrame({"case_id": range(len(categories)), "category": categories}, dtype=object)
    return {code: (count, zh, en) for code, _, count, zh, en in subject_notes(cases, standard) if count}


def test_cases_of_other_categories_and_of_none_are_counted_apart():
    found = notes(["市容秩序", "噪声", " 噪声 ", "停车", "", None, "环境卫生 "])
    assert found["case.outside_subjects"][0] == 3
    assert "（噪声、停车）" in found["case.outside_subjects"][1]
    assert "(噪声, 停车)" in found["case.outside_subjects"][2]
    assert found["case.without_category"][0] == 2


@pytest.mark.parametrize("categories", [[], ["市容秩序"], list(STANDARD.scope.subjects)])
def test_nothing_is_told_where_all_are_subjects(categories):
    assert notes(categories) == {}


def test_the_most_frequent_are_named_first_and_the_rest_is_said_to_follow():
    _, zh, en = notes([*"aabcdef", "b", "b"])["case.outside_subjects"]
    assert "（b、a、c、d、e等）" in zh
    assert "(b, a, c, d, e, …)" in en


def test_the_list_is_the_standards():
    own = parse_standard('extends = "xiangshan-2019"\n[scope]\nsubjects = ["噪声"]\n')
    assert notes(["噪声", "市容秩序"], own)["case.outside_subjects"][0] == 1
    none = parse_standard('extends = "xiangshan-2019"\n[scope]\nsubjects = []\n')
    assert notes(["噪声", ""], none) == {}
