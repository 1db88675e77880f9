"""The difference between the results of two runs, cell by cell, vectorised over rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from layers.contracts import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from layers.contracts import Column, Table

COLUMNS = ("table", "key", "column", "before", "after")
_ADDED = "outcome"  # the column that stands for a row that came or went


def compare(before: Mapping[str, pd.DataFrame] | None, after: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Changed cells of each table; of a row that came or went only its outcome. Without a run before there is no difference."""
    made = [] if before is None else [_table(TABLES[n], before[n], after[n]) for n in sorted(after)]
    filled = [m for m in made if len(m)]
    return (
        pd.concat(filled, ignore_index=True)
        if filled
        else pd.DataFrame({n: pd.Series([], dtype="str") for n in COLUMNS})
    )


def _table(table: Table, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    old, new = _keyed(table, before), _keyed(table, after)
    at_old, at_new = old.get_indexer(new), new.get_indexer(old)
    both = at_old >= 0
    lines = [_lines(table, old[at_new < 0], _ADDED, before, np.flatnonzero(at_new < 0), None, None)]
    lines.append(_lines(table, new[~both], _ADDED, None, None, after, np.flatnonzero(~both)))
    rows_new, rows_old = np.flatnonzero(both), at_old[both]
    for c in table.columns:
        if c.name not in table.key:
            left, right = _comparable(before[c.name], c)[rows_old], _comparable(after[c.name], c)[rows_new]
            changed = np.flatnonzero((left != right) & ~(pd.isna(left) & pd.isna(right)))
            if len(changed):
                lines.append(
                    _lines(table, new[rows_new[changed]], c.name, before, rows_old[changed], after, rows_new[changed])
                )
    return pd.concat([pd.DataFrame(line, columns=list(COLUMNS), dtype="str") for line in lines], ignore_index=True)


def _keyed(table: Table, frame: pd.DataFrame) -> pd.Index[Any]:
    parts = [frame[k].map(str).astype(object) for k in table.key]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + "|" + part
    index: pd.Index[Any] = pd.Index(joined.to_numpy(object))
    return index


def _comparable(values: pd.Series[Any], column: Column) -> Any:
    if column.dtype in {"float", "int", "bool"}:
        return values.astype("float64").to_numpy()
    return values.astype(object).where(values.notna(), None).to_numpy(object)


def _lines(
    table: Table, keys: Any, column: str, before: Any, rows_old: Any, after: Any, rows_new: Any
) -> dict[str, Any]:
    return {
        "table": [table.name] * len(keys),
        "key": list(keys),
        "column": [column] * len(keys),
        "before": [None] * len(keys) if before is None else _text(before[column].iloc[rows_old]),
        "after": [None] * len(keys) if after is None else _text(after[column].iloc[rows_new]),
    }


def _text(values: pd.Series[Any]) -> list[str | None]:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return [None if pd.isna(v) else v.isoformat(timespec="milliseconds").replace("+00:00", "Z") for v in values]
    return [None if pd.isna(v) else str(v) for v in values]
