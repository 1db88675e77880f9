"""Inspectors for the planner: required, allocated, on duty, present and short, by zone; and where the next ones should go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.placement import next_inspectors, staffing_gap

if TYPE_CHECKING:
    from gis.standard import Standard

SUMS = ["area_km2", "required", "allocated", "on_duty", "present", "gap"]


def daily_mean(density: pd.DataFrame) -> pd.DataFrame:
    """`density` of several days as one: figures are means, the verdict and the zone those of the latest day."""
    if not len(density) or len(set(density["day"])) <= 1:
        return density
    means = density.groupby(["level", "area_id"], sort=False, as_index=False)[SUMS].mean()
    latest = density.sort_values("day", kind="stable").drop_duplicates(["level", "area_id"], keep="last")
    return means.merge(latest[["level", "area_id", "name", "zone", "verdict"]], on=["level", "area_id"], how="left")


def by_zone(density: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """Sums of the work grids (towns where there are none) by zone, and of all (zone `all`); a surplus fills no other grid's gap.

    Columns zone, areas, area_km2, required, allocated, on_duty, present, gap (of the sums), gap_within (sum of the grids' own gaps).
    """
    counted = standard.density.verdict.value
    level = "work_grid" if (density["level"] == "work_grid").any() else "town"
    parts = density[density["level"] == level]
    rows = []
    for zone in [*sorted(set(parts["zone"].dropna())), "all"]:
        here = parts if zone == "all" else parts[parts["zone"] == zone]
        sums = {c: float(here[c].sum()) for c in SUMS if c != "gap"}
        gap = max(0.0, sums["required"] - sums[counted])
        within = float(staffing_gap(here["required"], here[counted]).sum())
        rows.append({"zone": zone, "areas": len(here), **sums, "gap": gap, "gap_within": within})
    return pd.DataFrame(rows)


def figures(standard: Standard) -> pd.DataFrame:
    """What the standard demands: rule_id, zone, km2_per_person, clause, quote, assumption."""
    rows = [
        {"rule_id": k, "zone": r.zone, "km2_per_person": r.km2_per_person, "clause": r.clause, "quote": r.quote}
        for k, r in standard.density_rules().items()
    ]
    return pd.DataFrame(rows, columns=["rule_id", "zone", "km2_per_person", "clause", "quote"])


def placed(density: pd.DataFrame, count: int, standard: Standard) -> pd.DataFrame:
    """The next inspectors with what each takes off the gap and off all gaps: columns saving, total_gap_before."""
    plan = next_inspectors(density, count, counted=standard.density.verdict.value)
    saving = (plan["gap_before"] - plan["gap_after"]).to_numpy(dtype=float)
    return plan.assign(saving=saving, total_gap_before=plan["total_gap_after"].to_numpy(dtype=float) + saving)


def by_grid(plan: pd.DataFrame) -> pd.DataFrame:
    """The plan by grid: area_id, name, zone, persons, steps ("1、4"), saving; in the order of the first step."""
    columns = ["area_id", "name", "zone", "persons", "steps", "saving"]
    rows = [
        {
            "area_id": area,
            "name": part["name"].iloc[0],
            "zone": part["zone"].iloc[0],
            "persons": len(part),
            "steps": "、".join(str(s) for s in part["step"]),
            "saving": float(part["saving"].sum()),
        }
        for area, part in plan.groupby("area_id", sort=False)
    ]
    return pd.DataFrame(rows, columns=columns)


def density_values(density: pd.DataFrame, grids: pd.DataFrame, column: str) -> pd.Series:
    """A column of the work grids' rows in the order of the grids."""
    rows = density[density["level"] == "work_grid"].drop_duplicates("area_id").set_index("area_id")
    values = grids["grid_id"].map(rows[column])
    if column == "verdict":
        return values.astype(object).reset_index(drop=True)
    return values.astype(float).reset_index(drop=True)


def surface_values(surface: pd.DataFrame, cells: pd.DataFrame, column: str) -> pd.Series:
    """A column of the surface (mean of its days) in the order of some day's cells."""
    if not len(surface):
        return pd.Series(np.nan, index=range(len(cells)))
    mean = surface.groupby("cell_id", sort=True)[column].mean()
    return cells["cell_id"].map(mean).astype(float).reset_index(drop=True)
