"""Chinese is written with Chinese marks where it is made: in the sentences of the source, its phrases, standards, templates and examples."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HAN = "\u4e00-\u9fff"
HALF_WIDTH = re.compile(f"[{HAN}][,;:()?!]|[,;:()] ?[{HAN}]|[，；：（）] ?[,;:()]")
SOURCES = [
    *ROOT.glob("xuncha*.py"),
    *(
        p
        for room in ("gis", "layers", "etl", "dashboards")
        for p in (ROOT / room).rglob("*.py")
        if "frontend" not in p.parts
    ),
]
FILES = [
    *(ROOT / "dashboards" / "i18n").glob("*.toml"),
    *(ROOT / "layers" / "standards").glob("*.toml"),
    *(ROOT / "etl").glob("*/city.toml"),
    *(ROOT / "examples").glob("*/city.toml"),
    *(p for p in (ROOT / "deploy").iterdir() if p.is_file()),
    ROOT / "run",
]
# Files whose texts imitate what an office has written, or are in its form to be parsed again.
AS_OFFICES_WRITE = {"etl/sample/office.py", "etl/sample/centre.py", "etl/readers/roster.py"}
# Points, a wildcard, a name before English, a function.
ALLOWED = ("坐标为 (0, 0)", "都在 (", "*、? 与", "xuncha 巡查: ", "ST_AsBinary(geom) 或")


def words_of(path: Path) -> list[str]:
    """Everything that a source file may say: its strings, but for docstrings (help texts excepted) and regular expressions."""
    tree = ast.parse(path.read_text("utf-8"))
    silent: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and not path.name.startswith("xuncha"):
            silent.update(n.value for n in node.body[:1] if isinstance(n, ast.Expr))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            silent.update(ast.walk(node))
    texts = [
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in silent
    ]
    return [line for text in texts if "(?" not in text for line in text.splitlines()]


def wrong_in(lines: list[str]) -> list[str]:
    return [x for x in lines if HALF_WIDTH.search(x) and not any(a in x for a in ALLOWED)]


def test_sentences_of_the_source_have_chinese_marks() -> None:
    checked = [p for p in SOURCES if p.relative_to(ROOT).as_posix() not in AS_OFFICES_WRITE]
    assert len(checked) > 200
    assert {p.name: wrong for p in checked if (wrong := wrong_in(words_of(p)))} == {}


def test_phrases_standards_and_templates_have_chinese_marks() -> None:
    assert len(FILES) > 15
    assert {p.name: wrong for p in FILES if (wrong := wrong_in(p.read_text("utf-8").splitlines()))} == {}


@pytest.mark.parametrize("text", ["已巡 8 米(占", "漏巡,", "时间: 9:00", "没有, 也", "（占 40%）,还缺", "缺少列:"])
def test_half_width_marks_are_found(text: str) -> None:
    assert wrong_in([text]) == [text]


@pytest.mark.parametrize(
    "text", ["上班 08:00，EPSG:4550", "[x, y, lon, lat] 为", "定位 1,500 个（09:30）", "写 `a, b`"]
)
def test_marks_of_codes_times_and_figures_stay(text: str) -> None:
    assert wrong_in([text]) == []
