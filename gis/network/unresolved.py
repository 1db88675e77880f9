"""Responsibilities that match no section, grid or person: which row of which file, what it says, why, and what to write instead."""

from __future__ import annotations

import re

import pandas as pd

from gis.network.stretch import PROBLEMS, REMEDIES

COLUMNS = (
    "responsibility_id", "source_name", "source_row", "source_text", "target_kind", "road_name", "from_name", "to_name", "person_id",
    "reason_zh", "reason_en", "write_zh", "write_en",
)  # fmt: skip
_BESIDE = re.compile(r"^(?P<zh>.*) \((?P<en>[^()]*)\)$")
_ROSTER = (
    ("未写责任人", "no person is written"),
    ("名册中没有 ", "no such person in the roster"),
    ("名册中有多名 ", "several persons of that name in the roster"),
    ("没有编号或名称为 ", "nothing has this code or name"),
)
_NO_REASON = ("未对应到路段或网格", "it matches no section or grid")
_OTHER_REMEDY = (
    "在名册或网格中补上，或改正姓名、编号",
    "add it to the roster or the grids, or correct the name or code",
)


def unresolved_rows(responsibilities: pd.DataFrame) -> pd.DataFrame:
    """Rows of a resolved roster that have a problem, in their order (contract `unresolved`).

    Args:
        responsibilities: as `resolve_responsibilities` gives them.
    """
    if not len(responsibilities):
        return pd.DataFrame(columns=list(COLUMNS))
    told = responsibilities["problem"].notna() | ~responsibilities["resolved"].astype(bool)
    rows = responsibilities[told.to_numpy(dtype=bool)].reset_index(drop=True)
    words = [_reason(p) for p in rows["problem"]]
    remedies = [_remedy(p) for p in rows["problem"]]
    told_rows = rows.reindex(columns=list(COLUMNS)).assign(
        reason_zh=[w[0] for w in words], reason_en=[w[1] for w in words],
        write_zh=[w[0] for w in remedies], write_en=[w[1] for w in remedies],
    )  # fmt: skip
    return told_rows.astype({c: "object" for c in COLUMNS if c.endswith(("zh", "en"))})


def _reason(problem: object) -> tuple[str, str]:
    """A problem in Chinese and in English; several are kept."""
    if not isinstance(problem, str):
        return _NO_REASON
    parts = [_BESIDE.match(p) for p in problem.split("；")]
    zh = [m["zh"] if m else p for m, p in zip(parts, problem.split("；"), strict=True)]
    en = [m["en"] if m else _english(p) for m, p in zip(parts, problem.split("；"), strict=True)]
    return "；".join(zh), "; ".join(en)


def _english(problem: str) -> str:
    """A problem of the reader, which is kept in Chinese, in English."""
    return next((en for zh, en in _ROSTER if problem.startswith(zh)), problem)


def _remedy(problem: object) -> tuple[str, str]:
    """What to write instead."""
    if isinstance(problem, str):
        for code, (zh, _) in PROBLEMS.items():
            if zh in problem:
                return REMEDIES[code]
    return _OTHER_REMEDY
