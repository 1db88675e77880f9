"""How far a round came and what it lacks: street by street as numbers, and in the words of the office."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.decidable import OBSTACLES
from gis.sentences import SENTENCES, metres, minutes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    I8 = npt.NDArray[np.int64]
    Streets = list[tuple[str, int]]

NAMED = 3  # streets that a sentence names
NAMELESS = "无名路"


def lacking_streets(lacking: I8, names: Sequence[str], grids: int) -> list[Streets]:
    """Streets that the unfinished round of each grid lacks, with millimetres, the longest first.

    Args:
        lacking: rows (grid, segment, mm).
        names: of the streets of all segments; empty for those without.
        grids: how many.
    """
    rows = pd.DataFrame(
        {"grid": lacking[:, 0], "name": [names[s] for s in lacking[:, 1].tolist()], "mm": lacking[:, 2]}
    )
    sums = rows.groupby(["grid", "name"])[["mm"]].sum().reset_index()
    sums = sums.sort_values(["grid", "mm", "name"], ascending=[True, False, True], kind="stable")
    out: list[Streets] = [[] for _ in range(grids)]
    for grid, name, mm in zip(sums["grid"].tolist(), sums["name"].tolist(), sums["mm"].tolist(), strict=True):
        out[grid].append((name, mm))
    return out


def lacking_text(streets: Streets) -> str:
    """Streets with millimetres as stored: JSON, a list of pairs."""
    return json.dumps(streets, ensure_ascii=False, separators=(",", ":"))


def streets_of(text: object) -> Streets:
    """The streets of a stored text; none where it is empty."""
    return [(str(n), int(mm)) for n, mm in json.loads(text)] if isinstance(text, str) and text else []


def rounds_missing(
    *,
    cause: npt.NDArray[np.object_],
    required: I8,
    completed: I8,
    possible: I8,
    open_mm: I8,
    length_mm: I8,
    streets: Sequence[Streets],
    chance: npt.NDArray[np.float64],
    silent_ms: I8,
) -> npt.NDArray[np.object_]:
    """A Chinese sentence a grid: how far the unfinished round came, what it lacks, and why nothing is decided; None without a cause."""
    say = {name: sentence.zh.format for name, sentence in SENTENCES.items()}
    out = np.full(len(cause), None, dtype=object)
    for i in np.flatnonzero(cause != None).tolist():  # noqa: E711 (elementwise)
        why, parts = cause[i], []
        if why in OBSTACLES:
            parts = [say[why]()]
        elif why in {"not_passed", "no_rostered"} and not completed[i] and not open_mm[i]:
            parts = [say[f"grid_{why}"]()]
        elif why in _TOLD:
            parts = [_round(say, int(completed[i]) + 1, open_mm[i] / max(length_mm[i], 1), streets[i])]
            if completed[i] >= required[i]:
                parts = [say["grid_seen"](completed[i])]
            if why == "silent":
                parts.append(say["grid_silent"](minutes(silent_ms[i] / 1000)))
            elif why in {"inferred", "no_rostered"}:
                parts.append(say[f"grid_{why}"]())
            if why in _OPEN:
                parts.append(say["grid_possible"](possible[i]))
            if why in _OPEN and chance[i] == chance[i]:
                parts.append(say["grid_chance"](f"{chance[i] * 100:.0f}"))
        out[i] = "。".join(parts) or None
    return out


_OPEN = frozenset(("silent", "inferred", "unsupported"))
_TOLD = _OPEN | {"partial", "too_fast", "not_passed", "no_rostered"}


def _round(say: Mapping[str, Callable[..., str]], number: int, share: float, streets: Streets) -> str:
    """How far a round came, and the streets that it lacks most of."""
    if not share:
        return say["grid_done"](number - 1, number)
    named = "、".join(f"{name or NAMELESS} {metres(mm)}" for name, mm in streets[:NAMED])
    if len(streets) <= NAMED:
        return say["grid_open"](number, f"{share:.1%}", named)
    return say["grid_open_more"](number, f"{share:.1%}", named, len(streets), metres(sum(mm for _, mm in streets)))
