"""From a placed source frame to a table's rows: codes as text, choices checked, repeated codes set aside."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from etl.base import Quarantine, Read
from etl.vector import ROW
from gis.errors import Fault, InputError
from layers.contracts import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from layers.city import Source
    from layers.store.base import Note, SourceRecord


def as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Codes as text: 12 and 12.0 become "12", blanks None, text is stripped."""
    return pd.Series([_text(v) for v in column.astype("object")], index=column.index, dtype="object")


def _text(value: Any) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip() or None


def set_aside(
    frame: gpd.GeoDataFrame, bad: Iterable[bool], quarantine: Quarantine, column: str, reason: tuple[str, str, str]
) -> gpd.GeoDataFrame:
    """Rows marked bad go to quarantine with a reason (code, zh, en); the others are returned."""
    mask = np.asarray(list(bad), dtype=bool)
    gone = frame[mask]
    quarantine.add_frame(pd.DataFrame(gone.drop(columns=ROW)), list(gone[ROW]), column, *reason)
    return frame[~mask]


def set_aside_keys(frame: gpd.GeoDataFrame, key: str, quarantine: Quarantine) -> gpd.GeoDataFrame:
    """Rows without a key, or with a key that an earlier row has, go to quarantine; the reason names the earlier row."""
    frame = set_aside(frame, frame[key].isna(), quarantine, key, ("key_missing", "编号为空", "the code is empty"))
    again = frame[key].duplicated(keep="first")
    first = frame[~again].set_index(key)[ROW]
    for _, row in frame[again].iterrows():
        at, value = int(first[row[key]]), row[key]
        raw = {str(k): v for k, v in row.items() if k != ROW}
        quarantine.add(
            int(row[ROW]),
            key,
            "key_duplicate",
            f"编号 {value} 重复，第 {at} 行已有",
            f"code {value} is repeated, row {at} has it",
            raw,
        )
    return frame[~again]


def check_choices(frame: pd.DataFrame, column: str, known: Sequence[str], source: Source) -> None:
    """A column of fixed choices may hold only those, or nothing.

    Raises:
        InputError: other values are there; they are listed with their counts and where to translate them.
    """
    counts = frame[column].dropna().value_counts().sort_index()
    strange = {str(v): int(n) for v, n in counts.items() if v not in known}
    if not strange:
        return
    listed = "、".join(f"{v}×{n}" for v, n in strange.items())
    example = f'translate.{column} = {{ "{next(iter(strange))}" = "{known[0]}" }}'
    raise InputError(
        Fault(
            "source.choice",
            f"有无法识别的值：{listed}；可用 {'、'.join(known)}",
            f"unknown values: {listed}; known are {', '.join(known)}",
            f"在来源 {source.name} 中写 {example}",
            f"write {example} in source {source.name}",
            file=source.where,
            column=source.source_column(column),
        )
    )


def finish(
    frame: gpd.GeoDataFrame, quarantine: Quarantine, record: SourceRecord, *, notes: Sequence[Note] = ()
) -> Read:
    """The read of a table: the contract's columns in their order, and the record with its notes."""
    table = TABLES[record.table]
    names = [c.name for c in table.columns]
    out = gpd.GeoDataFrame(frame[names], geometry="geometry", crs=4326).reset_index(drop=True)
    return Read(out, quarantine.frame(), replace(record, notes=(*record.notes, *notes)))
