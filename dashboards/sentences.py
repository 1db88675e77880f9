"""What was missing, in the reader's language: the stored sentences are the office's Chinese, made from `gis.sentences.SENTENCES`."""

from __future__ import annotations

import re

from gis.sentences import SENTENCES, UNIT

_NARROW = {"，": ",", "；": ";", "：": ":", "（": "(", "）": ")"}  # as earlier versions wrote them
_UNITS = {"分钟": "min", "公里": "km", "秒": "s", "米": "m"}
_MEASURE = re.compile(rf"([\d.]+) ({'|'.join(_UNITS)})")


def _pattern(words: str) -> re.Pattern[str]:
    """What a sentence's words may have become: anything in place of `{}`, marks of either width."""
    plain = (
        "".join(f"[{c}{_NARROW[c]}]" if c in _NARROW else re.escape(c) for c in part) for part in words.split("{}")
    )
    return re.compile("(.*?)".join(plain))


_PATTERNS = tuple((_pattern(sentence.zh), sentence.en) for sentence in SENTENCES.values())

_UNIT = _pattern(UNIT.zh)


def _english(part: str) -> str:
    measure = _MEASURE.fullmatch(part)
    return f"{measure[1]} {_UNITS[measure[2]]}" if measure else part


def missing_words(text: object, lang: str) -> str:
    """A stored sentence of what was missing, in a language; names in it, and sentences without a translation, stay as they are.

    >>> missing_words("已巡 400 米（占 20%），还缺 1.40 公里（要求 90%）", "en")
    '400 m covered (20%), 1.40 km short (90% required)'
    >>> missing_words("例外 E1 封闭 500 米，余 500 米应巡；有权人员全时段未到", "en")
    'exception E1 closes 500 m, 500 m left to patrol; nobody entitled came in the whole window'
    """
    if not isinstance(text, str) or not text:
        return ""
    if lang == "en":
        unit = _UNIT.match(text)
        if unit:
            return UNIT.en + missing_words(text[unit.end() :], lang)
        for pattern, english in _PATTERNS:
            found = pattern.fullmatch(text)
            if found:
                parts = [_english(g) for g in found.groups()]
                if english == SENTENCES["part_closed"].en:  # its last part is a sentence of its own
                    parts[-1] = missing_words(parts[-1], lang)
                return english.format(*parts)
    return text
