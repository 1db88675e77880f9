"""What was missing, in the reader's language; the stored sentences are the office's Chinese (gis.sentences and others)."""

from __future__ import annotations

import re

_C, _S = "[,，]", "[;；]"
_LEFT, _RIGHT = r"[((]", r"[))]"

# Sentence → English; groups are lengths, durations, shares, names.
_ENGLISH: tuple[tuple[str, str], ...] = (
    ("有权人员全时段未到", "nobody entitled came in the whole window"),
    (f"当天既无名册也无定位{_C}只列出应巡时段{_C}无法判定", "neither roster nor positions that day: windows are listed, none is judged"),
    (f"该时段无责任人在岗{_LEFT}计入单位{_RIGHT}", "no responsible person on duty in this window (charged to the unit)"),
    (f"该时段无责任人在岗{_S}他人已巡 (.+){_C}还缺 (.+)", "no responsible person on duty; others covered {0}, {1} short"),
    (f"已巡 (.+){_LEFT}占 (.+){_RIGHT}{_C}还缺 (.+){_LEFT}要求 (.+){_RIGHT}", "{0} covered ({1}), {2} short ({3} required)"),
    (f"通过 (.+){_C}但按巡查速度只计 (.+){_LEFT}过快为驶过{_RIGHT}", "{0} passed, but only {1} at patrol speed (faster is driving by)"),
    (f"看见 (.+){_C}其余路线只能推断{_C}无法判定", "{0} seen, the rest of the route only inferred: undecided"),
    (f"责任人在岗失联 (.+){_C}足够一次全面巡查{_LEFT}需 (.+){_RIGHT}{_C}无法判定",
     "the responsible person was silent on duty for {0}, enough for a full patrol ({1} needed): undecided"),
    (f"定位数据不足以判定{_LEFT}按数据质量估计{_C}已巡的把握为 (.+){_RIGHT}",
     "positions do not support a call (probability of having been covered, by the quality of the data: {0})"),
    ("例外 (.+?)[:：](.*)", "exception {0}: {1}"),
    ("网格", "the grid itself"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(zh), en) for zh, en in _ENGLISH)
_UNITS = (("分钟", "min"), ("公里", "km"), ("秒", "s"), ("米", "m"))
_MEASURE = re.compile(r"([\d.,]+) ?(分钟|公里|秒|米)")


def _measures(text: str) -> str:
    return _MEASURE.sub(lambda m: f"{m[1]} {dict(_UNITS)[m[2]]}", text)


def missing_words(text: object, lang: str) -> str:
    """A stored sentence of what was missing, in a language; names in it, and sentences without a translation, stay as they are."""
    if not isinstance(text, str) or not text:
        return ""
    if lang == "zh":
        return text
    for pattern, english in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return english.format(*map(_measures, found.groups()))
    return text
