"""Names of roads as people write them, brought to one form so that they can be compared."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_DROP = re.compile(r"[\s·•.,、。\-—_/\\]+")
_BRACKET = re.compile(r"\([^()]*\)")
_SUFFIX = re.compile(r"(大道|大街|公路|中路|马路|胡同|小巷|路|街|巷|弄|道|线)$")


def normal_name(text: object) -> str:
    """One form of a name: NFKC (so full and half width agree), brackets with their content and all spaces dropped, lower case.

    >>> normal_name(" 象山港路(东段) ") == normal_name("象山港路")
    True
    """
    if not isinstance(text, str):
        return ""
    plain = unicodedata.normalize("NFKC", text)
    return _DROP.sub("", _BRACKET.sub("", plain)).lower()


def stem(name: str) -> str:
    """A normal name without its generic last word (路, 街, 大道, …); the name itself where nothing would be left.

    >>> stem("建设路"), stem("天安大道")
    ('建设', '天安')
    """
    return _SUFFIX.sub("", name) or name


def normal_names(names: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """`normal_name` of each; every distinct text is worked out once."""
    forms = {t: normal_name(t) for t in set(names.tolist())}
    return np.array([forms[t] for t in names.tolist()], dtype=object)
