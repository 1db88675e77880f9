"""Standards as editions: the whole content that an audit applied, stored once under its hash, never changed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers import models
from layers.store.base import StandardEdition
from layers.store.editions import Editions

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = ("edition_id", "standard_id", "version", "file", "content", "stored_at", "author", "reason")


class Standards(Editions):
    """Storing and reading of standards."""

    def put_standard(
        self, content: str, *, file: str, author: str | None = None, reason: str | None = None
    ) -> StandardEdition:
        """Store a standard's content (JSON with `id` and `version`) under its SHA-256; there already: nothing changes.

        Raises:
            InputError: the content is no JSON object with id and version.
            StoreError: the store is not reachable, not prepared or busy.
        """
        named = _named(content)
        edition_id = hashlib.sha256(content.encode()).hexdigest()
        found = self.standard(edition_id)
        if found is not None:
            return found
        made = StandardEdition(edition_id, named["id"], named["version"], file, content, self._moment(), author, reason)
        with self._locked("load"):
            found = self.standard(edition_id)
            if found is not None:
                return found
            with self._transaction() as conn:
                conn.execute(sa.insert(models.standards).values({n: getattr(made, n) for n in _NAMES}))
        return made

    def standard(self, edition_id: str) -> StandardEdition | None:
        """A stored standard."""
        s = models.standards
        with self._reading() as conn:
            row = conn.execute(sa.select(s).where(s.c.edition_id == edition_id)).mappings().first()
        return None if row is None else StandardEdition(**{n: row[n] for n in _NAMES})

    def standards(self) -> list[StandardEdition]:
        """Every stored standard, oldest first."""
        s = models.standards
        with self._reading() as conn:
            rows = conn.execute(sa.select(s).order_by(s.c.stored_at, s.c.edition_id)).mappings().all()
        return [StandardEdition(**{n: row[n] for n in _NAMES}) for row in rows]


def _named(content: str) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not all(isinstance(body.get(k), str) for k in ("id", "version")):
        raise InputError(
            Fault(
                "standard.content",
                "标准的内容不是带 id 与 version 的 JSON",
                "the content of the standard is no JSON with id and version",
            )
        )
    return body
