"""The columns of rounds in the manager's table: done of required, at most, never visited, last round at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dashboards.tally import NOWHERE
from layers.contracts import TABLES, Column

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED = ("covered", "missed", "unknown")
_DAY, _ROLL = TABLES["grid_days"], TABLES["rollups"]
_COUNTS = (
    Column("required_rounds", "int", "应完成轮次", "Required rounds"),
    Column("completed_rounds", "int", "完成轮次", "Rounds done"),
    Column("possible_rounds", "int", "最多可能轮次", "Rounds possible at most"),
)
RATES = (_ROLL.column("rate_rounds_low"), _ROLL.column("rate_rounds_high"))
GRID_COLUMNS = (
    *_COUNTS[:2], _DAY.column("likely_rounds"), _COUNTS[2], *RATES, _DAY.column("never_mm"), _DAY.column("last_completed"),
    _DAY.column("open_share"), _DAY.column("probability"), _DAY.column("outcome"), _DAY.column("cause"), _DAY.column("missing"),
)  # fmt: skip
SUM_COLUMNS = (*_COUNTS, *RATES, _DAY.column("never_mm"), _DAY.column("last_completed"))


def round_columns(level: str) -> tuple[Column, ...]:
    """What the table of a level shows of rounds."""
    return GRID_COLUMNS if level == "grid" else SUM_COLUMNS


def round_figures(rows: pd.DataFrame, by: str | None, keys: Sequence[str]) -> pd.DataFrame:
    """Figures of rounds by a column (None: over all), one row a key in the order given; an empty key is `-`.

    Sums are of grids that were asked for rounds, each counting up to what it owes, so that done ÷ required is the rate; excused grids are
    in none. Where the key is the grid itself, its own figures stand as they are.

    Args:
        rows: of `dashboards.tally.base_of("rounds", ...)`; runs of earlier versions know no possible rounds, and so no upper bound.
        by: the column that groups.
        keys: the keys asked for.
    """
    named = np.full(len(rows), "all", dtype=object) if by is None else [str(k) or NOWHERE for k in rows[by]]
    part = rows.reindex(columns=[*(c.name for c in (*GRID_COLUMNS, *_COUNTS)), "subject"]).assign(key=named)
    part = part.loc[:, ~part.columns.duplicated()]
    part["last_completed"] = pd.to_datetime(part["last_completed"], utc=True)
    asked = part["outcome"].isin(ASKED)
    for name in ("required", "completed", "possible"):
        values = pd.to_numeric(part[f"{name}_rounds"], errors="coerce").astype(float)
        part[name] = values.where(asked)
    for name in ("completed", "possible"):
        part[name] = part[name].clip(upper=part["required"])
    sums = part.groupby("key").agg(
        required=("required", "sum"), completed=("completed", "sum"), possible=("possible", _sum),
        never_mm=("never_mm", "sum"), last_completed=("last_completed", "max"),
    ).reindex(list(keys))  # fmt: skip
    owed = sums["required"].where(sums["required"] > 0)
    out = pd.DataFrame({"rate_rounds_low": sums["completed"] / owed, "rate_rounds_high": sums["possible"] / owed})
    if by is not None and (part.groupby("key").size() == 1).all() and (part["key"] == part["subject"]).all():
        own = part.drop_duplicates("key").set_index("key").reindex(list(keys))
        return pd.concat([out, own[[c.name for c in GRID_COLUMNS if c not in RATES]]], axis=1).reset_index(drop=True)
    counts = {f"{n}_rounds": sums[n].round().astype("Int64") for n in ("required", "completed", "possible")}
    return out.assign(**counts, never_mm=sums["never_mm"], last_completed=sums["last_completed"]).reset_index(drop=True)


def _sum(values: pd.Series) -> float:
    """A sum; NaN where nothing is known."""
    return float(values.sum(min_count=1))
