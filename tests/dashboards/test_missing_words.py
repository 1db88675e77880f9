"""Every sentence that says what was missing has its English; what the office wrote itself stays as it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dashboards.sentences import missing_words
from gis.sentences import SENTENCES, missing_sentences

CAUSES = (
    "not_passed",
    "no_data",
    "no_roster",
    "no_device",
    "no_rostered",
    "partial",
    "too_fast",
    "inferred",
    "silent",
    "motionless",
    "exception",
)
NARROW = str.maketrans("，；：（）", ",;:()")


def stored(cause: str, covered_mm: int, closed_mm: int = 0, *, unit: bool = False) -> str:
    """The sentence of a window of 2 km, 90 % required, with one kilometre passed at any speed and 25 minutes of silence."""
    one = np.ones(1, dtype=np.int64)
    return missing_sentences(
        cause=np.array([cause], dtype=object), unit=np.array([unit]), covered_mm=covered_mm * one, any_speed_mm=1_000_000 * one, need_mm=1_800_000 * one,
        length_mm=2_000_000 * one, share=0.9 * one, silent_ms=1_500_000 * one, unobserved_ms=2_700_000 * one, needed_s=45.0 * one,
        exception_id=np.array(["LW1"], dtype=object), reasons={"LW1": "closed"}, closed_mm=closed_mm * one,
    )[0]  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("covered_mm", [0, 400_000])
@pytest.mark.parametrize("closed_mm", [0, 500_000])
@pytest.mark.parametrize("unit", [False, True])
def test_no_chinese_is_left_in_english(cause, covered_mm, closed_mm, unit) -> None:
    sentence = stored(cause, covered_mm, closed_mm, unit=unit)
    english = missing_words(sentence, "en")
    assert sentence
    assert missing_words(sentence, "zh") == sentence
    assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", english), english
    assert re.findall(r"\d[\d.]*", english) == re.findall(r"\d[\d.]*", sentence)  # every figure, in the same order
    assert missing_words(sentence.translate(NARROW), "en") == english  # as earlier versions wrote it


def test_both_languages_of_a_sentence_have_the_same_parts() -> None:
    assert {name for name, s in SENTENCES.items() if s.zh.count("{}") != s.en.count("{}")} == set()


def test_worked_examples() -> None:
    # 400 m of 2 km are 20 %; 1.8 km are needed, so 1.40 km are lacking.
    assert missing_words(stored("partial", 400_000), "en") == "400 m covered (20%), 1.40 km short (90% required)"
    assert missing_words(stored("not_passed", 0, 500_000), "en") == (
        "exception LW1 closes 500 m, 2.00 km left to patrol; nobody entitled came in the whole window"
    )
    assert missing_words(stored("silent", 0), "en").startswith("the responsible person was silent on duty for 25 min")
    assert missing_words(stored("partial", 400_000, unit=True), "en").startswith(
        "no responsible person on duty in this window (charged to the unit); 400 m"
    )
    assert (
        missing_words("该时段无责任人在岗；他人已巡 5 米，还缺 3 米", "en")
        == "no responsible person on duty; others covered 5 m, 3 m short"
    )
    assert missing_words("例外 LW7：封路：抢修 3 米", "en") == "exception LW7: 封路：抢修 3 米"
    assert missing_words("墙头东菜场、白石幼儿园", "en") == "墙头东菜场、白石幼儿园"
    assert missing_words(None, "en") == missing_words(float("nan"), "zh") == ""
