"""Every sentence that says what was missing has its English; what the office wrote itself stays as it is."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import dashboards
from dashboards.sentences import full_width, missing_words
from gis.sentences import missing_sentences

CAUSES = ("not_passed", "no_data", "no_rostered", "partial", "too_fast", "inferred", "silent", "exception")


NARROW = str.maketrans("，；：？！（）", ",;:?!()")
HAN = "[\u4e00-\u9fff）”」]"
BESIDE_CHINESE = re.compile(
    f"{HAN}[,;?!]|[,;?!][\u4e00-\u9fff]|{HAN}:[\u4e00-\u9fff]|[\u4e00-\u9fff]\\([^)]*[\u4e00-\u9fff]"
)


def half_width(text: str) -> bool:
    """Whether a mark beside Chinese characters is half as wide as it should be."""
    return BESIDE_CHINESE.search(text) is not None


def words_of(path: Path) -> list[str]:
    """Everything that a file of the pages may say."""
    if path.suffix == ".toml":
        entries = tomllib.loads(path.read_text("utf-8")).values()
        return [e["zh"] for e in entries if isinstance(e, dict) and isinstance(e.get("zh"), str)]
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_the_pages_write_chinese_with_chinese_punctuation() -> None:
    room = Path(dashboards.__file__).parent
    files = [p for p in sorted(room.rglob("*.py")) if p.name != "sentences.py"]  # which reads the stored sentences
    files += sorted((room / "i18n").glob("*.toml"))
    found = [(path.name, text) for path in files for text in words_of(path) if half_width(text)]
    assert len(files) > 60
    assert found == []


@pytest.mark.parametrize(
    ("stored_text", "printed"),
    [
        ("1,500 条边有多个等级,取第一个", "1,500 条边有多个等级，取第一个"),
        ("坐标(29.1,121.8)在县外;已隔离", "坐标（29.1,121.8）在县外；已隔离"),
        ("墙头东菜场、白石幼儿园 09:30", "墙头东菜场、白石幼儿园 09:30"),
    ],
)
def test_marks_within_figures_stay(stored_text: str, printed: str) -> None:
    assert full_width(stored_text) == printed
    assert full_width(printed) == printed


def stored(cause: str, covered_mm: int) -> str:
    """The sentence of a window of 2 km, 90 % required, with one kilometre passed at any speed and 25 minutes of silence."""
    one = np.ones(1, dtype=np.int64)
    return missing_sentences(
        cause=np.array([cause], dtype=object), covered_mm=covered_mm * one, any_speed_mm=1_000_000 * one, need_mm=1_800_000 * one,
        length_mm=2_000_000 * one, share=0.9 * one, silent_ms=1_500_000 * one, needed_s=45.0 * one,
        exception_id=np.array(["LW1"], dtype=object), reasons={"LW1": "closed"},
    )[0]  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("covered_mm", [0, 400_000])
def test_no_chinese_is_left_in_english(cause, covered_mm) -> None:
    sentence = stored(cause, covered_mm)
    english = missing_words(sentence, "en")
    assert sentence
    assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", english), english
    chinese = missing_words(sentence, "zh")
    assert chinese.translate(NARROW) == sentence.translate(NARROW)  # but for the width of its marks
    assert not half_width(chinese)
    assert re.findall(r"\d[\d.]*", english) == re.findall(r"\d[\d.]*", sentence)  # every figure, in the same order


def test_worked_examples() -> None:
    # 400 m of 2 km are 20 %; 1.8 km are needed, so 1.40 km are lacking.
    assert missing_words(stored("partial", 400_000), "en") == "400 m covered (20%), 1.40 km short (90% required)"
    assert missing_words(stored("silent", 0), "en").startswith("the responsible person was silent on duty for 25 min")
    assert missing_words("墙头东菜场、白石幼儿园", "en") == "墙头东菜场、白石幼儿园"
    assert missing_words(None, "en") == missing_words(float("nan"), "zh") == ""
