"""Responsibilities as offices write them: `象山港路(建设路至丹河路):张三、李四`.

One text may hold several sections and several names, full or half width punctuation, notes, labels (责任人, 组长) and line breaks.
The parser says what is written; whether such a road or person exists is for others to find out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gis.network.words import UnresolvedError, stretch_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from etl.readers.records import Finder

_ROAD_WORD = "(?:大道|大街|公路|中路|东路|西路|南路|北路|环线|路|街|巷|弄|道|线|桥|胡同)"
_BRACKET = re.compile(r"^(?P<head>[^()]*)\((?P<inner>[^()]*)\)(?P<tail>[^()]*)$")
_NOTE = re.compile(r"[(,;\s]*(?:备注|说明|注)\s*:[^\n]*$", re.MULTILINE)
_LABELS = {
    "责任人": "responsible", "责任队员": "responsible", "负责人": "responsible", "包干人": "responsible", "路长": "responsible",
    "队员": "responsible", "网格组长": "leader", "组长": "leader", "带班领导": "leader", "带班": "leader",
}  # fmt: skip
_LABEL_END = re.compile("(?:" + "|".join(sorted(_LABELS, key=len, reverse=True)) + r")\s*$")
_LIMIT = re.compile(
    r"[至到~]|以[东西南北内外]|[东西南北左右内外单]侧|[东西南北中上下前后]段|[东西南北]半|除(?!夕)|不含|仅|只|路(?!长)|街(?!道|长)|巷(?!长)|弄|\d+号|单号|双号|单数|双数|\d米|[kK]\d|部分|半幅"
)
_NAME_END = re.compile(r"(?:同志|负责|等)$")
_ID_SPLIT = re.compile(r"[、，,;；\r\n]+")
_SPLIT = re.compile(r"[、,;\n。/]")
_STRONG = frozenset(";\n。")
_LONGEST_NAME = 6
_PRIVATE = 0xE000  # characters that no text has


@dataclass(frozen=True, slots=True)
class Statement:
    """One section (or the target as written) and those who answer for it.

    Attributes:
        target: the section as written, without names and labels.
        road, start, stop: road and its cross streets; `start` and `stop` None where the whole road is meant.
        names: persons as written, each with its kind (responsible, leader).
        text: the part of the source text that says so.
    """

    target: str
    road: str
    start: str | None
    stop: str | None
    names: tuple[tuple[str, str], ...]
    text: str


def plain(text: str) -> str:
    """Half-width punctuation, no zero-width marks, one kind of bracket and dash; line breaks kept."""
    out = unicodedata.normalize("NFKC", text.replace("\r\n", "\n").replace("\r", "\n"))
    for marks, one in (
        ("【[〔「『﹝〈《", "("),
        ("】]〕」』﹞〉》", ")"),
        ("\u200b\u200c\u200d\ufeff", ""),
        ("﹣-‐‑‒", "-"),
        ("~~〜∼", "~"),
    ):
        for mark in marks:
            out = out.replace(mark, one)
    return out.replace("、", "、").strip()


def parse_section(text: str) -> tuple[str, str | None, str | None]:
    """Road, from and to cross street of a section as written; a text that is not understood comes back whole, as the road.

    The road keeps further names and ways between in brackets (see `gis.network.words`).

    >>> parse_section("象山港路(建设路至丹河路)"), parse_section("象山港路建设路-丹河路段"), parse_section("丹河路")
    (('象山港路', '建设路', '丹河路'), ('象山港路', '建设路', '丹河路'), ('丹河路', None, None))
    """
    written = re.sub(r"\s+", "", plain(text))
    try:
        said = stretch_words(written)
    except UnresolvedError:
        return written, None, None
    return said.road_text(), said.start or None, said.stop or None


def _ends(inner: str) -> bool:
    """Whether what stands in the brackets says where a stretch begins and ends."""
    try:
        return bool(stretch_words(limited("路", [inner])).start)
    except UnresolvedError:
        return False


def _is_range(token: str) -> bool:
    """Whether a token is two ends without a road: 中山路至建设路."""
    return "(" not in token and _ends(re.sub(r"\s+", "", token)) and parse_section(token)[1] is None


def parse_responsibility(text: str, *, known: Collection[str] = ()) -> tuple[Statement, ...]:
    """What a text says: sections with their persons, in the order written.

    Args:
        text: one cell.
        known: names of the roster; they tell `张三:象山港路` (person first) from `象山港路:张三`.

    Returns:
        One statement a section; without names where the text gives none.

    >>> [(s.road, s.start, s.stop, s.names) for s in parse_responsibility("象山港路(建设路至丹河路):张三、李四")]
    [('象山港路', '建设路', '丹河路', (('张三', 'responsible'), ('李四', 'responsible')))]
    """
    written = plain(text)
    kept = {
        chr(_PRIVATE + i): k
        for i, k in enumerate(k for k in sorted(known, key=len, reverse=True) if "/" in k and k in written)
    }
    for one, name in kept.items():  # an id with a stroke is not two
        written = written.replace(name, one)
    reader = _Reader(frozenset(known) | set(kept))
    reader.limits = [n for m in _NOTE.finditer(written) if _LIMIT.search(n := _note(m.group()))]
    for token, mark in _tokens(_NOTE.sub("", written)):
        reader.take(token, mark)
    reader.flush(keep=False)
    return tuple(_restored(s, kept) for s in reader.out) if kept else tuple(reader.out)


def _restored(statement: Statement, kept: dict[str, str]) -> Statement:
    def back(text: str) -> str:
        return "".join(kept.get(c, c) for c in text)

    names = tuple((back(n), kind) for n, kind in statement.names)
    return replace(
        statement, names=names, target=back(statement.target), road=back(statement.road), text=back(statement.text)
    )


def _note(text: str) -> str:
    """The words of a note without its label."""
    return text.partition(":")[2].strip(" ()")


def limited(section: str, limits: Iterable[str]) -> str:
    """A section with what limits it in brackets, so that it is read with it or not at all.

    >>> limited("人民路", ["北侧"])
    '人民路(北侧)'
    """
    return section + "".join(f"({limit})" for limit in dict.fromkeys(limits) if limit)


def several(section: str) -> list[str]:
    """The sections of one text: `人民路(甲路至乙路、丙路至丁路)` is two.

    >>> several("人民路(甲路至乙路、丙路至丁路)"), several("人民路(甲路至乙路,含辅道)")
    (['人民路(甲路至乙路)', '人民路(丙路至丁路)'], ['人民路(甲路至乙路,含辅道)'])
    """
    found = _BRACKET.match(re.sub(r"\s+", "", plain(section)))
    parts = re.split("[、,;]", found["inner"]) if found else []
    if found is None or len(parts) < 2 or not all(_ends(p) for p in parts):  # noqa: PLR2004
        return [section]
    return [f"{found['head']}({p}){found['tail']}" for p in parts]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Parts of a text between separators outside brackets, each with the separator before it."""
    depth, start, mark = 0, 0, "\n"
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")" and depth > 0)
        if depth == 0 and _SPLIT.match(c):
            yield text[start:i].strip(), mark
            mark, start = c if c in _STRONG or mark not in _STRONG or text[start:i].strip() else mark, i + 1
    yield text[start:].strip(), mark


class _Reader:
    """Tokens to statements: sections are gathered until names follow them."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known = known
        self.sections: list[str] = []
        self.names: list[tuple[str, str]] = []
        self.people: list[tuple[str, str]] = []  # names that stand before their sections
        self.kind = "responsible"
        self.written: list[str] = []
        self.limits: list[str] = []  # notes that limit every section of the text
        self.named: dict[str, list[str]] = {}  # what limits the duty of one person
        self.out: list[Statement] = []

    def take(self, token: str, mark: str) -> None:
        """Read one token."""
        if not token:
            return
        left, colon, right = _at_colon(token)
        if self.sections and self._limits(left):
            which = slice(None) if self.names else slice(-1, None)
            self.sections[which] = [limited(s, [left.strip(" :-")]) for s in self.sections[which]]
            if colon:
                self._labelled("", right)
        elif colon:
            self._labelled(left, right)
        elif self.names and (mark in _STRONG or self._road(token)):
            self.flush(keep=False)
            self.sections.append(token)
        elif (
            self.sections and not self.people and (not self._road(token) and (token in self.known or self.names))
        ) or self.names:
            self._add(token)
        else:
            self.sections.append(token)
        self.written.append(token)

    def _labelled(self, left: str, right: str) -> None:
        label = _LABEL_END.search(left)
        head = left[: label.start()].strip(" :-") if label else left
        if self._people_first(head):
            before = self.sections if all(s in self.known for s in self.sections) else []
            if before:
                self.sections = []
                head = "、".join([*before, head])
            self.flush(keep=False)
            self.people = [
                (n, _LABELS[label.group().strip()] if label else "responsible") for n in _names(head, self.known)
            ]
            if right:
                self.sections.append(right)
            return
        if head:
            if self.names or self.people:
                self.flush(keep=False)
            self.sections.append(head)
            self.kind = "responsible"
        self.kind = _LABELS[label.group().strip()] if label else "responsible"
        self._add(right)

    def _people_first(self, head: str) -> bool:
        names = _names(head, self.known)
        return bool(names) and all(n in self.known for n in names)

    def _road(self, token: str) -> bool:
        """Whether a token is a section rather than a name."""
        if token in self.known or (
            _names(token, self.known) and all(n in self.known for n in _names(token, self.known))
        ):
            return False
        bracket = _BRACKET.match(re.sub(r"\s+", "", token))
        head = bracket["head"] if bracket else token
        return bool(re.search(_ROAD_WORD + "(?:段|全段|全线)?$", head)) or bool(bracket and _ends(bracket["inner"]))

    def _limits(self, token: str) -> bool:
        """Whether a token is no section but limits the one before it: 北侧, 中山路以东, 中山路至建设路."""
        if token in self.known:
            return False
        return _is_range(token) or bool(not self._road(token) and "(" not in token and _LIMIT.search(token))

    def _add(self, text: str) -> None:
        for name, limits in named(text, known=self.known):
            if name:
                self.names.append((name, self.kind))
                self.named.setdefault(name, []).extend(limits)
            else:
                self.sections = [limited(s, limits) for s in self.sections]

    def flush(self, *, keep: bool) -> None:
        """Write down what was gathered."""
        names = tuple(dict.fromkeys(self.people or self.names))
        text = "、".join(self.written)
        for section in self.sections:
            for one in several(section):
                self._say(limited(one, self.limits), names, text)
        self.names, self.people, self.written, self.kind, self.named = [], [], [], "responsible", {}
        if not keep:
            self.sections = []

    def _say(self, target: str, names: tuple[tuple[str, str], ...], text: str) -> None:
        """One section; persons whose duty is limited get a statement of their own."""
        free = tuple(n for n in names if not self.named.get(n[0]))
        if free or not names:
            self.out.append(Statement(target, *parse_section(target), free, text))
        for name in names:
            if self.named.get(name[0]):
                own = limited(target, self.named[name[0]])
                self.out.append(Statement(own, *parse_section(own), (name,), text))


def _at_colon(token: str) -> tuple[str, bool, str]:
    """The parts of a token before and after its first colon outside brackets."""
    depth = 0
    for i, c in enumerate(token):
        depth += (c == "(") - (c == ")")
        if c == ":" and depth == 0:
            return token[:i].strip(), True, token[i + 1 :].strip()
    return token, False, ""


def split_ids(text: str | None, finder: Finder) -> list[str]:
    """Persons, grids or units of a cell of ids: an exact id (or name) wins before anything is split, and no id is read as prose.

    What nothing matches stays as it is written, so that it can be named; only where all parts of it match is it split further.
    """
    if text is None:
        return []
    if finder.find(text)[0] is not None:
        return [text]
    out: list[str] = []
    for part in (p.strip() for p in _ID_SPLIT.split(text)):
        finer = [p for p in re.split(r"[/&+\s]+", part) if p]
        for way in ([part], finer, _numbers_in(part, finder), split_names(part)):
            found = {finder.find(p)[0]: p for p in reversed(way)}  # 100231 张三 is one person
            if way and None not in found:
                out.extend(reversed(found.values()))
                break
        else:
            out.extend([part] if part else [])
    return list(dict.fromkeys(out))


def _numbers_in(text: str, finder: Finder) -> list[str]:
    """Ids with a digit that stand beside a name: `张三(100231)` is 100231."""
    parts = (p for p in re.split(r"[\s()（）:：,，]+", text) if any(c.isdigit() for c in p))
    return [p for p in parts if p in finder.ids]


def split_persons(text: str | None, finder: Finder) -> list[str]:
    """Persons of a cell that holds names, ids or both: what the roster knows exactly is not read as prose."""
    out = split_ids(text, finder)
    known = [finder.find(p)[0] is not None for p in out]
    if all(known):
        return out
    parts = [[p] if k else split_names(p) for p, k in zip(out, known, strict=True)]
    return list(dict.fromkeys(n for names in parts for n in names)) if any(known) else split_names(text)


def _names(text: str, known: Collection[str] = ()) -> list[str]:
    """Names in a piece of text: notes in brackets, telephone numbers and courtesy words dropped; `张 三` is one name."""
    if text in known:
        return [text]
    bare = re.sub(r"\([^()]*\)|(?:电话|手机|tel)\s*:?|(?<!\w)\d{5,}|(?<=[一-鿿])\d{5,}", " ", text)
    parts = [_NAME_END.sub("", p) for p in re.split(r"[\s、,;/&+]+", bare) if p]
    if len(parts) > 1 and all(len(p) == 1 for p in parts):
        parts = ["".join(parts)]
    return [p for p in parts if p]


def named(text: str, *, known: Collection[str] = ()) -> list[tuple[str, list[str]]]:
    """Names in a piece of text, each with what brackets say that it is limited to; an empty name: what limits all of them.

    >>> named("张三(中山路以东)、李四(夜班)"), named("张三 北侧")
    ([('张三', ['中山路以东']), ('李四', [])], [('张三', []), ('', ['北侧'])])
    """
    out: list[tuple[str, list[str]]] = []
    for token, _ in _tokens(text):
        brackets = [b for b in re.findall(r"\(([^()]*)\)", token) if _LIMIT.search(b)]
        for name in _names(token, known):
            free = name in known or not _LIMIT.search(name)
            out.append((name, brackets) if free else ("", [name]))
    return out


def split_names(text: str | None) -> list[str]:
    """Persons of a cell that holds only persons.

    >>> split_names("张三、李四(夜班) 王 五")
    ['张三', '李四', '王五']
    """
    out: list[str] = []
    for token, _ in _tokens(plain(text or "")):
        _, colon, right = _at_colon(token)
        parts = _names(right if colon else token)
        singles = [p for p in parts if len(p) == 1]
        if len(singles) == 2 and len(parts) > 2:  # noqa: PLR2004 (a padded name of two characters among others)
            at = parts.index(singles[0])
            if at + 1 < len(parts) and len(parts[at + 1]) == 1:
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
        out.extend(parts)
    return list(dict.fromkeys(out))
