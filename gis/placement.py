"""Where the next inspectors would leave the least staffing gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.standard import Counted


def staffing_gap(required: npt.ArrayLike, held: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Persons short: required - held, at least 0; a surplus in one grid never fills the gap of another.

    Args:
        required: float (n,), persons.
        held: float (n,), persons, by the count that the standard's verdict takes.

    Returns:
        float64 (n,).
    """
    return np.maximum(np.asarray(required, dtype=np.float64) - np.asarray(held, dtype=np.float64), 0.0)


def next_inspectors(density: pd.DataFrame, count: int, *, counted: Counted = "allocated") -> pd.DataFrame:
    """The grids to which the next `count` inspectors should go, one row an inspector, best first.

    The gap of a zone is the sum of its grids' gaps. One more inspector in a grid takes min(1, gap) off it, which never grows with the
    number already sent there; so taking the largest step each time is optimal for every count (a separable concave sum).
    Equal steps go to the zone with the larger gap, then to the smaller grid code.

    Args:
        density: the `density` contract, rows of level work_grid (area_id, name, zone, required, and the column that counts).
        count: how many inspectors, at least 0.
        counted: the count that the verdict takes (`density.verdict` of the standard).

    Returns:
        Columns step (from 1), area_id, name, zone, gap_before, gap_after (of the grid), zone_gap_before, zone_gap_after, total_gap_after;
        fewer rows than `count` where no gap is left.
    """
    grids = density[density["level"] == "work_grid"].sort_values("area_id", kind="stable").reset_index(drop=True)
    gap = staffing_gap(grids["required"], grids[counted])
    zone = grids["zone"].fillna("").astype(str).to_numpy()
    zones, zone_of = np.unique(zone, return_inverse=True)
    rows = []
    for step in range(1, count + 1):
        of_zone = np.bincount(zone_of, weights=gap, minlength=len(zones)) if len(gap) else np.zeros(0)
        saving = np.minimum(gap, 1.0)
        if not len(gap) or saving.max() <= 0:
            break
        best = int(np.lexsort((np.arange(len(gap)), -of_zone[zone_of], -saving))[0])
        before = float(gap[best])
        gap[best] = before - saving[best]
        rows.append(
            {
                "step": step,
                "area_id": grids["area_id"].iloc[best],
                "name": grids["name"].iloc[best],
                "zone": zone[best],
                "gap_before": before,
                "gap_after": float(gap[best]),
                "zone_gap_before": float(of_zone[zone_of[best]]),
                "zone_gap_after": float(of_zone[zone_of[best]] - saving[best]),
                "total_gap_after": float(gap.sum()),
            }
        )
    columns = [
        "step",
        "area_id",
        "name",
        "zone",
        "gap_before",
        "gap_after",
        "zone_gap_before",
        "zone_gap_after",
        "total_gap_after",
    ]
    return pd.DataFrame(rows, columns=columns)
