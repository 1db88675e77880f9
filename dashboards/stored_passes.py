"""Stored passes as the rules read them: with their devices' modes, and the speed that they were judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.crew import device_modes
from gis.model import MODES, Passes

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt
    import pyarrow as pa

    from dashboards.context import View
    from dashboards.scope import ScopedStore
    from gis.model import Mode

ARRAYS = ("from_mm", "to_mm", "enter_ms", "leave_ms", "track_ix", "first_fix_ms", "last_fix_ms", "seen")


def as_passes(table: pa.Table, segment_ix: npt.NDArray[np.int32], mode_of: dict[str, Mode], default: Mode) -> Passes:
    """Rows of a store's passes, in their order, on segments numbered as asked."""
    frame = table.to_pandas()
    devices = tuple(sorted(set(frame["device_id"])))
    arrays = {c: frame[c].to_numpy() for c in ARRAYS}
    return Passes(
        segment_ix=segment_ix.astype(np.int32),
        device_ix=pd.Index(devices).get_indexer(pd.Index(frame["device_id"])).astype(np.int32),
        confidence=frame["confidence"].to_numpy(np.float32),
        devices=devices,
        mode=np.array([mode_of.get(d, default) for d in devices], dtype=np.int8),
        **arrays,
    )


def modes_of(view: View, day: date, data: ScopedStore | None = None) -> tuple[dict[str, Mode], Mode]:
    """How the devices of a day's roster (by default the visitor's) move, and those that are not in it: as the audit takes them."""
    data = data or view.data
    counting = getattr(view.city, "counting", None)
    default = MODES[getattr(counting, "unassigned_mode", "foot")]
    return device_modes(data.read("devices", day), data.read("assignments", day)), default
