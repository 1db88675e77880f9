"""No leaf of a standard is read by nothing: what decides is read where figures are made or shown, what explains where it is printed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gis.standard as model

ROOT = Path(model.__file__).parents[1]
WORDS = {
    "zh",
    "en",
    "clause",
    "quote",
    "reason_zh",
    "reason_en",
    "unit",
    "issuer",
    "issued",
    "version",
    "id",
    "draft",
    "assumption",
    "requirements",
}
BY_NAME = {  # read through getattr or by the model's own methods, and where
    "Speeds.foot": "Speeds.mm_per_s", "Speeds.ebike": "Speeds.mm_per_s", "Speeds.vehicle": "Speeds.mm_per_s",
    "Limit.category": "PlatformLimits.limit", "Limit.road_class": "PlatformLimits.limit", "PlatformLimits.lines": "PlatformLimits.limit",
    "Schedule.season_from": "Schedule.in_season", "Schedule.season_to": "Schedule.in_season",
    "Calibration.raw": "Calibration.apply", "Calibration.calibrated": "Calibration.apply",
}  # fmt: skip


def _attributes(files):
    """Names read as attributes, and those of which `.value` is read."""
    read, valued = set(), set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
                if node.attr == "value" and isinstance(node.value, ast.Attribute):
                    valued.add(node.value.attr)
    return read, valued


SOURCES = [
    p for room in ("gis", "layers", "etl", "dashboards") for p in (ROOT / room).rglob("*.py") if p.name != "standard.py"
]
PRINTS = ROOT / "layers" / "standard_words.py"
READ, VALUED = _attributes(p for p in SOURCES if p != PRINTS)
PRINTED, _ = _attributes([*SOURCES, *ROOT.glob("xuncha*.py")])
PARTS = [
    c
    for c in vars(model).values()
    if isinstance(c, type) and issubclass(c, model.Frozen) and c not in {model.Frozen, model.Setting}
]
LEAVES = sorted(
    {(c.__name__, n, "standard.Setting[" in str(f.annotation)) for c in PARTS for n, f in c.model_fields.items()}
)


@pytest.mark.parametrize(("part", "name", "setting"), LEAVES, ids=str)
def test_every_leaf_is_read(part, name, setting):
    if f"{part}.{name}" in BY_NAME:
        owner, method = BY_NAME[f"{part}.{name}"].split(".")
        assert hasattr(getattr(model, owner), method)
        assert method in READ
    elif setting:
        assert name in VALUED
    elif name in WORDS:
        assert name in PRINTED
    else:
        assert name in READ
