"""Standards as they are stored: the content with its inheritance resolved, and how a run's own is read back.

A run pins the edition that it applied, so that editing the file moves no past figure. Runs made before standards were stored fall back
to the standard that the city file names now, and say so (`Applied.stored`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from gis.errors import Fault, StoreError
from gis.standard import Standard
from layers.standard_files import list_standards, load_standard

if TYPE_CHECKING:
    from pathlib import Path

    from layers.store.base import Run, StandardEdition, Store

FORMAT = 1
"""Of the stored content; a later one must still read every earlier one."""


def content_of(standard: Standard) -> str:
    """The stored form of a standard: JSON in the order of the model and the file (the first schedule that fits holds)."""
    body = {"format": FORMAT, **standard.model_dump(mode="json")}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def edition_id_of(standard: Standard) -> str:
    """The id under which a standard is stored: SHA-256 of its content."""
    return hashlib.sha256(content_of(standard).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """The standard of a run.

    Attributes:
        standard: what was applied.
        edition_id: under which it is stored; None: the run was made before standards were stored.
        added: settings that did not exist yet when it was stored, filled in from the standard of today.
        dropped: settings that this version of the program knows no more.
    """

    standard: Standard
    edition_id: str | None
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def stored(self) -> bool:
        """Whether it is the content that the run pinned; False: the standard of today stands in."""
        return self.edition_id is not None


class Shelf(Protocol):
    """Where stored standards are looked up: the store, or the part of it that a visitor may see."""

    def standard(self, edition_id: str) -> StandardEdition | None:
        """A stored standard."""
        ...


def applied_standard(shelf: Shelf, run: Run | None, present: Standard) -> Applied:
    """The standard that a run applied; `present`, the one that the city file names, where the run pins none.

    Raises:
        StoreError: as `stored_standard`.
    """
    if run is None or run.standard_edition is None:
        return Applied(present, None)
    return stored_standard(shelf, run.standard_edition)


def stored_standard(shelf: Shelf, edition_id: str) -> Applied:
    """A stored standard as this version reads it.

    What the program did not ask for yet when it was stored comes from the standard that comes with xuncha, and what it asks for no more
    is left out; both are named.

    Raises:
        StoreError: the store does not hold it, or its form is one that this version does not read.
    """
    edition = shelf.standard(edition_id)
    if edition is None:
        raise StoreError(
            Fault(
                "standard.lost",
                f"存储中没有核查所用的标准 {edition_id[:12]}",
                f"the store lacks the standard {edition_id[:12]} that an audit applied",
                "从备份恢复",
                "restore a backup",
            )
        )
    body: dict[str, Any] = json.loads(edition.content)
    if body.pop("format", None) != FORMAT:
        raise _unreadable(edition, "format")
    added: list[str] = []
    dropped: list[str] = []
    while True:  # what is missing can hide what is unknown
        try:
            return Applied(Standard.model_validate(body), edition_id, tuple(added), tuple(dropped))
        except ValidationError as error:
            mended = [_mend(body, fault, added, dropped) for fault in error.errors()]
            if not any(mended):
                raise _unreadable(edition, str(error.errors()[0]["loc"])) from error


@cache
def _today() -> dict[str, Any]:
    return load_standard(list_standards()[0]).model_dump(mode="json")


def _mend(body: dict[str, Any], fault: Any, added: list[str], dropped: list[str]) -> bool:
    """Fill in a setting that is missing, or take away one that is unknown; whether that could be done."""
    *way, last = [p for k, p in enumerate(fault["loc"]) if not _is_tag(k, fault["loc"])]
    there, name = _at(body, way), ".".join(str(p) for p in (*way, last))
    if not isinstance(there, dict):
        return False
    if fault["type"] == "missing":
        given = _at(_today(), way)
        if not isinstance(given, dict) or last not in given:
            return False
        there[str(last)] = given[last]
        added.append(name)
        return True
    if fault["type"] == "extra_forbidden" and last in there:
        del there[str(last)]
        dropped.append(name)
        return True
    return False


def _is_tag(place: int, loc: tuple[object, ...]) -> bool:
    """Whether a part of pydantic's path (`rules`, id, kind, key) names the kind of a rule, which is no key of the file."""
    return loc[0] == "rules" and place == 2  # noqa: PLR2004 (the third part)


def _at(body: Any, way: list[Any]) -> Any:
    for part in way:
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        else:
            return None
    return body


def _unreadable(edition: StandardEdition, what: str) -> StoreError:
    return StoreError(
        Fault(
            "standard.unreadable",
            f"存储的标准 {edition.standard_id} {edition.version}（{edition.edition_id[:12]}）无法读取：{what}",
            f"the stored standard {edition.standard_id} {edition.version} ({edition.edition_id[:12]}) cannot be read: {what}",
            "升级 xuncha",
            "upgrade xuncha",
        )
    )


def store_standard(
    store: Store, standard: Standard, *, file: str, author: str | None = None, reason: str | None = None
) -> StandardEdition:
    """Store a standard as an edition; one that is there already stays as it was first stored.

    Args:
        store: prepared.
        standard: with its inheritance resolved.
        file: name of its file, or of a standard that comes with xuncha.
        author: who wrote it, where that is known (a draft of a planner).
        reason: why.
    """
    return store.put_standard(content_of(standard), file=file, author=author, reason=reason)


def standard_source(city: Any) -> Path | str:
    """What a city file names as its standard: the path of a file, or the name of one that comes with xuncha."""
    named = city.standard
    found: Path | str = city.resolve(named.path) if named.path else str(named.name)
    return found


def standard_of(city: Any) -> Standard:
    """The standard that the city file names now.

    Raises:
        SettingsError: no such standard, or it breaks a rule.
    """
    return load_standard(standard_source(city))


def file_name(city: Any) -> str:
    """The name of the standard's file, without the folders of the machine."""
    source = standard_source(city)
    return f"{source}.toml" if isinstance(source, str) else source.name
