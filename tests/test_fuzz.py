"""A short run of `./run fuzz`: nothing that is read, asked or posted is an error that nobody foresaw, and no row is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).parent / "dashboards"))

from tests.fuzz.__main__ import run

CASES = {"readers": 350, "city": 300, "query": 250, "callback": 250}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", list(CASES))
def test_a_short_run(tmp_path, part):
    with structlog.testing.capture_logs():
        found = run(tmp_path, cases=CASES[part], seed=7_000_000, only=part)
    assert not found["wrong"], "\n".join(found["wrong"])
    assert found["counts"][part] == CASES[part]
