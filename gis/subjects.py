"""Cases of a category that is none of the standard's subjects: the policy does not bind them, and the reader is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gis.crew import column_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from gis.standard import Standard

_NAMED = 5  # categories that a note names


def subject_notes(cases: pd.DataFrame, standard: Standard) -> Iterator[tuple[str, str, int, str, str]]:
    """Findings (code, subject, count, zh, en): cases outside the subjects (`scope.subjects`), and cases without a category.

    A standard that lists no subject binds every case.

    Args:
        cases: the `cases` contract.
        standard: whose subjects are asked.
    """
    subjects = set(standard.scope.subjects)
    if not subjects:
        return
    categories = [c.strip() for c in column_text(cases, "category")]
    outside = [c for c in categories if c and c not in subjects]
    if outside:
        counts = {c: outside.count(c) for c in set(outside)}
        ranked = sorted(counts, key=lambda c: (-counts[c], c))
        more = len(ranked) > _NAMED
        zh = "、".join(ranked[:_NAMED]) + ("等" if more else "")
        en = ", ".join(ranked[:_NAMED]) + (", …" if more else "")
        yield (
            "case.outside_subjects",
            "cases",
            len(outside),
            f"件案件的类别不在标准的适用事项内（{zh}）：照常计数、计时，但不属标准所列问题",
            f"cases have a category that is none of the standard's subjects ({en}): counted and timed all the same",
        )
    yield (
        "case.without_category",
        "cases",
        sum(1 for c in categories if not c),
        "件案件没有类别，不知是否属于标准的适用事项",
        "cases have no category: whether the standard binds them is not known",
    )
