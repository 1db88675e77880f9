"""What was missing, in the reader's language: the stored sentences are the office's Chinese, made from `gis.sentences.SENTENCES`."""

from __future__ import annotations

import re

from gis.rounds_words import NAMELESS, streets_of
from gis.sentences import SENTENCES, UNIT, metres

_NARROW = {"，": ",", "；": ";", "：": ":", "（": "(", "）": ")"}  # as earlier versions wrote them
_UNITS = {"分钟": "min", "公里": "km", "秒": "s", "米": "m"}
_STREET = re.compile(rf"(.+) ([\d.]+) ({'|'.join(_UNITS)})")
_MEASURE = re.compile(rf"([\d.]+) ({'|'.join(_UNITS)})")


def _pattern(words: str) -> re.Pattern[str]:
    """What a sentence's words may have become: anything in place of `{}`, marks of either width."""
    plain = (
        "".join(f"[{c}{_NARROW[c]}]" if c in _NARROW else re.escape(c) for c in part) for part in words.split("{}")
    )
    return re.compile("(.*?)".join(plain))


def _measure(part: str) -> str:
    """A length or duration in English; all else as it is."""
    measure = _MEASURE.fullmatch(part)
    return f"{measure[1]} {_UNITS[measure[2]]}" if measure else part


def _streets(part: str) -> str:
    """A list of streets with their lengths in English; all else as `_measure`."""
    named = [_STREET.fullmatch(p) for p in part.split("、")]
    if not all(named):
        return _measure(part)
    found = [(n[1], n[2], _UNITS[n[3]]) for n in named if n]
    return ", ".join(f"{'unnamed road' if name == NAMELESS else name} {n} {unit}" for name, n, unit in found)


_PATTERNS = tuple(
    (_pattern(sentence.zh), sentence.en, _streets if name.startswith("grid_open") else _measure)
    for name, sentence in SENTENCES.items()
)


_UNIT = _pattern(UNIT.zh)


def lacking_words(text: object, lang: str) -> str:
    """Streets that an unfinished round lacks, with their lengths, from the stored list.

    >>> lacking_words('[["来薰路",412000],["",60000]]', "zh")
    '来薰路 412 米、无名路 60 米'
    >>> lacking_words('[["来薰路",412000],["",60000]]', "en")
    '来薰路 412 m, unnamed road 60 m'
    """
    named = "、".join(f"{name or NAMELESS} {metres(mm)}" for name, mm in streets_of(text))
    return _streets(named) if lang == "en" and named else named


def missing_words(text: object, lang: str) -> str:
    """A stored sentence of what was missing, in a language; names in it, and sentences without a translation, stay as they are.

    >>> missing_words("已巡 400 米（占 20%），还缺 1.40 公里（要求 90%）", "en")
    '400 m covered (20%), 1.40 km short (90% required)'
    >>> missing_words("例外 E1 封闭 500 米，余 500 米应巡；有权人员全时段未到", "en")
    'exception E1 closes 500 m, 500 m left to patrol; nobody entitled came in the whole window'
    """
    if not isinstance(text, str) or not text:
        return ""
    if lang != "en":
        return text
    parts = [_sentence(part) for part in text.split("。")]
    return ". ".join(p for p in parts if p) if None not in parts else _sentence(text) or text


def _sentence(text: str) -> str | None:
    """One sentence in English; None where it has none."""
    unit = _UNIT.match(text)
    if unit:
        return UNIT.en + missing_words(text[unit.end() :], "en")
    for pattern, english, part in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            parts = [part(g) for g in found.groups()]
            if english == SENTENCES["part_closed"].en:  # its last part is a sentence of its own
                parts[-1] = missing_words(parts[-1], "en")
            return english.format(*parts)
    return None
