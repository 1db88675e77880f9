"""Ids that differ only in what spreadsheets and keyboards do to them: 7 for 007, `7.0`, full width, case, blanks.

They are named to the reader and never joined.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MOST = 20  # pairs told
_DROPPED = re.compile(r"[\s\u200b\u200c\u200d\ufeff'’`_./-]+")


def near_ids(found: Iterable[str], known: Collection[str]) -> list[tuple[str, str]]:
    """Ids that are not known, each with the one known id that it differs from only in form; at most `MOST`, in order.

    >>> near_ids(["007", "d1", "D3"], ["7", "d1", "d3", "D-3"])
    [('007', '7')]
    """
    exact = set(known)
    by_form: dict[str, set[str]] = {}
    for one in exact:
        by_form.setdefault(form(one), set()).add(one)
    pairs = [(f, by_form.get(form(f), set())) for f in sorted(set(found) - exact)]
    return [(f, next(iter(meant))) for f, meant in pairs if len(meant) == 1][:MOST]


def form(text: str) -> str:
    """What stays of an id when width, case, blanks, marks, decimals of whole numbers and leading zeros are taken off.

    >>> form("０07"), form("7.0"), form("D-03 "), form("7.50"), form("1.0E+05")
    ('7', '7', 'd3', '750', '100000')
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    if re.fullmatch(r"\d+(?:\.\d+)?e\+?\d{1,2}", plain) and float(plain).is_integer():
        plain = str(int(float(plain)))
    plain = re.sub(r"^(\d+)\.0+$", r"\1", plain)
    return re.sub(r"(?<!\d)0+(?=\d)", "", _DROPPED.sub("", plain))
