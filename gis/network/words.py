"""What people write of a stretch of road, brought to a road, its two ends, ways between and other names; what is not understood is refused.

Read are brackets and plain words alike: `人民路(中山路至建设路)`, `人民路中山路-建设路段`, `人民路(中山路以东)`,
`建设路(与人民路交叉口至终点)`, `环城路(中山路至建设路,经解放路)`, `建设路(原和平路)`, `人民路(全段,两侧)`. A side, a part without ends, an
exclusion, chainage, house numbers and every unknown word make the whole text not understood: a duty is never wider than its words.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_UNDERSTOOD = "not_understood"

_MARKS = str.maketrans(
    {**dict.fromkeys("【[〔「『﹝〈《{", "("), **dict.fromkeys("】]〕」』﹞〉》}", ")"), **dict.fromkeys("﹣‐‑‒–—―─━－", "-"),
     **dict.fromkeys("〜∼～", "~"), **dict.fromkeys("\u200b\u200c\u200d\ufeff", None), "、": ",", "，": ",", ";": ",", "。": ","}
)  # fmt: skip
_ROAD_WORD = "(?:大道|大街|公路|中路|东路|西路|南路|北路|环线|路|街|巷|弄|道|线|桥|胡同)"
_WHOLE_WORDS = "全段|全线|全路段|全程|全路|全部|全长|整条|整条路|整路|整路段|两侧|双侧|两边|双边|双向|上下行|沿线|沿街|两侧及沿街|首尾"
_WHOLE = re.compile(rf"(?:{_WHOLE_WORDS})?(?:{_WHOLE_WORDS})?|含[^除至到~-]*|包括[^除至到~-]*")
_WHOLE_END = re.compile(rf"(?:{_WHOLE_WORDS})$")
_TAIL = re.compile(rf"(?:段|路段)?(?:{_WHOLE_WORDS})?")
_INCLUSIVE = re.compile(r"\((?:含|不含|含路口|不含路口)\)")
_BRACKET = re.compile(r"\(([^()]*)\)")
_BETWEEN = "(?:至|到|~+|-+)"
_FROM = "(?:起点为|起于|始于|自|从|由)"
_SIDES = "[东西南北]"
_RANGE = re.compile(
    rf"(?:{_SIDES}?起(?![点始])于?|{_FROM})?(?P<a>[^,]+?)(?:起|开始)?{_BETWEEN}(?:止于)?(?P<b>[^,]+?)(?:(?<=[路街道巷弄口])路段|(?<=[^{_SIDES[1:-1]}中上下])段|止|为止|结束)?"
)
_RANGE_SIDES = re.compile(
    rf"(?P<s>{_SIDES})?(?:起(?![点始])于?|始于|自|至|到|接)(?P<a>[^,]+?)(?:起|开始)?,?(?P<t>{_SIDES})?(?:至|到|止于?)(?P<b>[^,]+?)(?:(?<=[路街道巷弄口])路段|(?<=[路街道巷弄口])段|止|为止)?"
)
_BEYOND = re.compile(rf"(?P<a>.+?)(?:以|往|向|之)(?P<side>{_SIDES})(?:段|路段|部分|方向)?(?:至(?P=side)端)?")
_VIA = re.compile(r"(?:途)?(?:经过?|沿)(?P<via>.+)")
_ALSO = re.compile(r"(?:原名?|又名|也称|即|旧称|旧名|曾用名|曾名|俗称|别名|现名|现为)(?::)?(?P<name>.+?)")
_PART = re.compile(r"(?:[东西南北中上下前后]|东南|西南|东北|西北)段")
_FIGURES = re.compile(r"\d+(?:\.\d+)?(?:米|m|公里|km|号|#|弄|幢|:)|k\d+|\d+\+\d+|^\d+$|单号|双号|门牌|公里")
_BARE = re.compile(rf"(?P<road>.+?{_ROAD_WORD}):?(?P<rest>.+)")
_SPATIAL = re.compile(
    r"[东西南北左右内外单一]侧|[东西南北中上下前后]段|[东西南北]半|以[东西南北内外]|部分|半幅|辅道|人行道|除|不含|不包括|门口|门前|附近|周边|一带|单号|双号|\d"
)
_CORNER = re.compile(
    r"(?:大?(?:十字|丁字|三岔|三叉|T字|T型|Y型|五岔|四岔)(?:形)?)?"
    r"(?:交叉路口|交叉口处|交叉口|交叉处|交叉点|交汇处|交汇口|交汇点|交界处|交接处|相交处|交口|(?<=[路街道巷弄字岔叉型形])路口处?|(?<=[路街道巷弄])[道街巷弄]口|"
    r"口处|口|处|交叉|交汇|相交|交界|红绿灯处?|信号灯处?|环岛|转盘)$"
)
_WITH = re.compile(r"^(?:与|和|同|跟|及|在)")
_ANY_END = frozenset(
    {"", "起点", "终点", "始点", "止点", "起", "止", "终", "始", "端点", "尽头", "路端", "末端", "两端", "全段", "全线", "路尾", "路头",
     "起始点", "终止点", "断头处", "底"}
)  # fmt: skip
_COMPASS = re.compile(r"最?(?P<side>[东西南北])(?:端|头|口|侧|首|面|起点|终点|尽头|末端|段尽头)?$")


class UnresolvedError(Exception):
    """A stretch that cannot be found; its first argument is a code of `stretch.PROBLEMS`, its second the words in question."""

    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(code, words)
        self.code, self.words = code, words

    def __str__(self) -> str:
        """The code."""
        return self.code


@dataclass(frozen=True, slots=True)
class StretchWords:
    """A stretch in words.

    Attributes:
        road: the road, without brackets and parts.
        start, stop: its ends as written; empty where any end of the road will do. Both empty: the whole road.
        via: streets that the stretch meets between its ends.
        also: further names of the road.
    """

    road: str
    start: str = ""
    stop: str = ""
    via: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def road_text(self) -> str:
        """The road with its other names and the ways between in brackets, so that a column holds them all."""
        return self.road + "".join(
            f"({words})" for words in (*(f"又名{n}" for n in self.also), *(f"经{v}" for v in self.via))
        )


def plain_words(text: str) -> str:
    """NFKC, one kind of bracket, dash and separator, no spaces or zero-width marks.

    >>> plain_words("人民路 【中山路 — 建设路】")
    '人民路(中山路-建设路)'
    """
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text.translate(_MARKS)).translate(_MARKS))


def stretch_words(road: str, start: str = "", stop: str = "") -> StretchWords:
    """What is written of a stretch, in one text or in columns.

    Raises:
        UnresolvedError: `not_understood`, with the words that are not understood.

    >>> stretch_words("人民路(中山路以东)")
    StretchWords(road='人民路', start='中山路', stop='东端', via=(), also=())
    """
    draft = _Draft(start.strip(), stop.strip())
    text = _INCLUSIVE.sub("", plain_words(road)).strip(",:")
    inner = _BRACKET.findall(text)
    outside = _BRACKET.sub("\x00", text)
    if "(" in outside or ")" in outside:
        raise UnresolvedError(NOT_UNDERSTOOD, road.strip())
    head, _, tail = outside.partition("\x00")
    tail = tail.replace("\x00", "")
    if not head:
        head, tail = tail, ""
    if not _TAIL.fullmatch(tail):
        raise UnresolvedError(NOT_UNDERSTOOD, tail)
    for part in inner:
        draft.bracket(part)
    return draft.done(_head(draft, head))


class _Draft:
    """A stretch while its words are read."""

    def __init__(self, start: str, stop: str) -> None:
        self.start, self.stop = start, stop
        self.given = bool(start or stop)
        self.via: list[str] = []
        self.also: list[str] = []
        self.part = ""

    def bracket(self, inner: str) -> None:
        """All that stands in one pair of brackets."""
        sides = _RANGE_SIDES.fullmatch(inner)
        if sides is not None and not _FIGURES.search(inner) and sides["s"] and sides["t"] and sides["s"] != sides["t"]:
            self.ends(sides["a"], sides["b"], inner)
            return
        phrases = inner.split(",")
        at = 0
        while at < len(phrases):
            pair = _RANGE_SIDES.fullmatch(",".join(phrases[at : at + 2])) if at + 1 < len(phrases) else None
            if pair is not None and not _FIGURES.search(pair.group()) and pair["s"] != pair["t"]:
                self.ends(pair["a"], pair["b"], inner)
                at += 2
            else:
                self.phrase(phrases[at])
                at += 1

    def phrase(self, words: str) -> None:
        """One phrase: a note that changes nothing, a range, a part with its end, a way between, another name."""
        if _WHOLE.fullmatch(words):
            return
        if _FIGURES.search(words.lower()) or words.startswith(("除", "不")) or words.endswith(("除外", "外")):
            raise UnresolvedError(NOT_UNDERSTOOD, words)
        if (via := _VIA.fullmatch(words)) is not None and not re.search(_BETWEEN, words):
            self.via.append(via["via"])
        elif (also := _ALSO.fullmatch(words)) is not None and not re.search(_BETWEEN, words):
            self.also.append(also["name"])
        elif (beyond := _BEYOND.fullmatch(words)) is not None and not re.search(_BETWEEN, beyond["a"]):
            self.ends(beyond["a"], f"{beyond['side']}端", words)
        elif (between := _RANGE.fullmatch(words)) is not None:
            self.ends(between["a"], between["b"], words)
        elif _PART.fullmatch(words):
            self.part = words
        else:
            raise UnresolvedError(NOT_UNDERSTOOD, words)

    def ends(self, start: str, stop: str, words: str) -> None:
        """Both ends; said twice they are not understood."""
        if self.given:
            raise UnresolvedError(NOT_UNDERSTOOD, words)
        left, way, via = start.partition("经")
        if way and left and via:
            start = left
            self.via.append(via.removeprefix("过"))
        self.start, self.stop, self.given = start, stop, True

    def done(self, road: str) -> StretchWords:
        """The stretch; a part (东段) says nothing without its ends."""
        if self.part and not self.given:
            raise UnresolvedError(NOT_UNDERSTOOD, self.part)
        if not road:
            raise UnresolvedError(NOT_UNDERSTOOD)
        return StretchWords(road, self.start, self.stop, tuple(self.via), tuple(self.also))


def _head(draft: _Draft, head: str) -> str:
    """The road in what stands outside of brackets; a range or part after it goes into the draft."""
    head = _WHOLE_END.sub("", head.strip(",:"))
    found = _BARE.fullmatch(head)
    if found is None:
        return head
    rest = found["rest"].strip(",:")
    for at in [*[m.end() for m in re.finditer(_ROAD_WORD, head)][:-1], len(found["road"])]:
        road, after = head[:at], head[at:].strip(",:-~")
        between = _RANGE.fullmatch(after)
        sides = _RANGE_SIDES.fullmatch(after)
        beyond = _BEYOND.fullmatch(after)
        if _FIGURES.search(after.lower()):
            continue
        if sides is not None and _streets(sides["a"], sides["b"]):
            draft.ends(sides["a"], sides["b"], after)
            return road
        if between is not None and _streets(between["a"], between["b"]):
            draft.ends(between["a"], between["b"], after)
            return road
        if beyond is not None and _streets(beyond["a"]):
            draft.ends(beyond["a"], f"{beyond['side']}端", after)
            return road
    if _SPATIAL.search(rest):
        raise UnresolvedError(NOT_UNDERSTOOD, rest)
    return head


def _streets(*names: str) -> bool:
    """Whether words may each name a street: two characters at least."""
    return all(len(n) > 1 for n in names)


def end_words(text: str, road: str, known: Callable[[str], bool]) -> str:
    """One end of a stretch in its shortest form: empty for any end of the road, 东端 by compass, else the street that is met there.

    Args:
        text: as written.
        road: the road itself; of `人民路与中山路交叉口` the other street is meant.
        known: whether the network has a street of that name.

    Raises:
        UnresolvedError: `not_understood`: chainage, house numbers, distances.
    """
    name = _INCLUSIVE.sub("", plain_words(text)).strip(",:")
    if known(name):
        return name
    if name in _ANY_END:
        return ""
    compass = _COMPASS.fullmatch(name)
    if compass is not None:
        return f"{compass['side']}端"
    if _FIGURES.search(name.lower()) or "(" in name or "除" in name:
        raise UnresolvedError(NOT_UNDERSTOOD, text.strip())
    forms = [name]
    for strip in (_other(road), _without_side, _without_corner, _other(road), _without_with, _without_corner):
        forms += [f for f in (strip(forms[-1]),) if f and f != forms[-1]]
    return next((f for f in forms if known(f)), forms[-1])


def _other(road: str) -> Callable[[str], str]:
    """Of two streets the one that is not the road itself."""
    own = plain_words(road)

    def other(name: str) -> str:
        for mark in ("与", "和", "同", "跟", "及", "×", "&", "/", "x", "X"):
            if own and name.startswith(own + mark):
                return name[len(own + mark) :]
            stripped = _without_corner(name)
            if own and stripped.endswith(mark + own):
                return stripped[: -len(mark + own)]
        return name

    return other


def _without_side(name: str) -> str:
    return re.sub(rf"(?:以|之){_SIDES}$", "", name)


def _without_corner(name: str) -> str:
    return _CORNER.sub("", name)


def _without_with(name: str) -> str:
    return _WITH.sub("", name)
