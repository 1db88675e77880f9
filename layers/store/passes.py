"""Passes of a run as Arrow tables: contract and filters, shared by both adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCHEMA = pa.schema(
    [
        ("segment_ix", pa.int32()),
        ("from_mm", pa.int32()),
        ("to_mm", pa.int32()),
        ("enter_ms", pa.int64()),
        ("leave_ms", pa.int64()),
        ("device_id", pa.string()),
        ("track_ix", pa.int32()),
        ("first_fix_ms", pa.int64()),
        ("last_fix_ms", pa.int64()),
        ("seen", pa.bool_()),
        ("confidence", pa.float32()),
    ]
)


def conform_passes(batches: Iterable[pa.Table]) -> list[pa.Table]:
    """The batches in `SCHEMA`.

    Raises:
        InputError: a missing or unknown column, a null, a dtype that does not fit, a pass that is left before it is entered.
    """
    out = []
    for batch in batches:
        faults = [
            Fault("column.missing", f"巡查记录缺少列 {n}", f"passes: column {n} is missing", column=n)
            for n in SCHEMA.names
            if n not in batch.column_names
        ]
        faults += [
            Fault("column.unknown", f"巡查记录多出列 {n}", f"passes: column {n} is not in the contract", column=n)
            for n in batch.column_names
            if n not in SCHEMA.names
        ]
        if not faults:
            faults = [
                Fault("value.null", f"巡查记录 {n} 有空值", f"passes: {n} has nulls", column=n)
                for n in SCHEMA.names
                if batch.column(n).null_count
            ]
        if not faults:
            try:
                batch = pa.table({f.name: batch.column(f.name).cast(f.type) for f in SCHEMA}, schema=SCHEMA)  # noqa: PLW2901 (the same batch, in its dtypes)
            except pa.ArrowInvalid as error:
                faults = [Fault("value.dtype", f"巡查记录类型不符：{error}", f"passes: {error}")]
        if not faults and np.any(batch.column("leave_ms").to_numpy() < batch.column("enter_ms").to_numpy()):
            faults = [Fault("value.range", "巡查记录离开早于进入", "passes: left before entered", column="leave_ms")]
        if faults:
            raise InputError(faults)
        out.append(batch)
    return out


def filter_passes(
    table: pa.Table,
    *,
    segment_ix: Sequence[int] | None,
    device_ids: Sequence[str] | None,
    from_ms: int | None,
    to_ms: int | None,
) -> pa.Table:
    """Passes on these segments, of these devices, that touch from_ms <= time < to_ms."""
    tests = []
    if segment_ix is not None:
        tests.append(pc.is_in(table.column("segment_ix"), pa.array(list(segment_ix), pa.int32())))
    if device_ids is not None:
        tests.append(pc.is_in(table.column("device_id"), pa.array(list(device_ids), pa.string())))
    if from_ms is not None:
        tests.append(pc.greater_equal(table.column("leave_ms"), from_ms))
    if to_ms is not None:
        tests.append(pc.less(table.column("enter_ms"), to_ms))
    for test in tests[1:]:
        tests[0] = pc.and_(tests[0], test)
    return table.filter(tests[0]) if tests else table
