"""Stretches in words as metres on the measures of the sections they lie on, whichever sections those are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.network.responsible import metric_lines
from gis.network.settings import NetworkSettings
from gis.network.stretch import PROBLEMS, StretchFinder
from gis.network.words import UnresolvedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gis.network.model import Network
    from gis.network.stretch import Stretch


def measured_stretches(
    words: Sequence[tuple[str, str | None, str | None]], network: Network, *, settings: NetworkSettings | None = None
) -> pd.DataFrame:
    """Where stretches lie: a row for every section that one touches, or a single row with its problem where it cannot be found.

    A stretch is its road from one cross street to the other, both carriageways of it.

    Args:
        words: road, from and to cross street of each stretch.
        network: segments and sections.
        settings: those that the network was built with.

    Returns:
        stretch (index into `words`), section_id, from_mm, to_mm (float64, on the section's measure; NaN where it is all of the section),
        problem (Chinese with English beside it; missing where it was found).
    """
    options = settings or NetworkSettings()
    names = network.segments["road_name"].fillna("").to_numpy(dtype=object)
    finder = StretchFinder(network.graph, metric_lines(network.graph), names, options)
    rows: list[tuple[int, str | None, float, float, str | None]] = []
    for i, (road, start, stop) in enumerate(words):
        try:
            stretch = finder.find(road, start or "", stop or "")
        except UnresolvedError as unresolved:
            zh, en = PROBLEMS[str(unresolved)]
            rows.append((i, None, np.nan, np.nan, f"{zh} ({en})"))
            continue
        rows += [(i, section, lo, hi, None) for section, lo, hi in _measures(stretch, network)]
    return pd.DataFrame(rows, columns=["stretch", "section_id", "from_mm", "to_mm", "problem"])


def _measures(stretch: Stretch, network: Network) -> list[tuple[str, float, float]]:
    """The stretches of measure under a stretch: section, lo and hi; those of a section joined where they touch."""
    segments = np.unique(np.concatenate([stretch.path, stretch.beside, *(p for p, _ in stretch.strands)]))
    section = network.seg_section[segments].astype(np.int64)
    ends = network.seg_measure_from_mm[segments].astype(np.int64), network.seg_measure_to_mm[segments].astype(np.int64)
    lo, hi = np.minimum(*ends), np.maximum(*ends)
    order = np.lexsort((lo, section))
    length = network.sections["length_mm"].to_numpy(dtype=np.int64)
    ids = network.sections["section_id"].astype(str).to_numpy(dtype=object)
    joined: list[tuple[int, int, int]] = []
    for k, a, b in zip(section[order].tolist(), lo[order].tolist(), hi[order].tolist(), strict=True):
        if joined and joined[-1][0] == k and a <= joined[-1][2] + 1:
            joined[-1] = (k, joined[-1][1], max(joined[-1][2], b))
        elif b > a:
            joined.append((k, a, b))
    return [
        (ids[k], np.nan, np.nan) if a <= 1 and b >= length[k] - 1 else (ids[k], float(a), float(b))
        for k, a, b in joined
    ]
