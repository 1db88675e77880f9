"""Named moments of a write. Nothing happens here; the crash tests replace `reached` to die at one of them."""

from __future__ import annotations


def reached(step: str) -> None:
    """A write has come to this step: `positions.staged`, `positions.renamed`, `load.rows`, `publish.rows` and others."""
