"""Stored passes as the rules read them: with their devices' modes, and the speed that they were judged by."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.crew import device_modes
from gis.model import MODES, Passes

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt
    import pyarrow as pa

    from dashboards.context import View
    from dashboards.scope import ScopedStore
    from gis.model import Mode
    from gis.standard import Standard


@dataclass(frozen=True, slots=True)
class Counting:
    """By what passes are judged: the standard and what the city file counts.

    Attributes:
        standard: the rules.
        zone: local time zone.
        unassigned: modes whose devices count although nobody carries them.
        default: mode of a device that the roster does not know.
    """

    standard: Standard
    zone: ZoneInfo
    unassigned: tuple[Mode, ...]
    default: Mode


def counting_of(view: View, day: date) -> Counting:
    """By what the passes of a day were judged, for a visitor's pages."""
    return Counting(view.standard_on(day), view.zone, counted_modes(view), default_mode(view))


def counted_modes(view: View) -> tuple[Mode, ...]:
    """Modes whose devices count although nobody carries them, as the city file says; a city without settings counts nobody unknown."""
    return tuple(getattr(getattr(view.city, "counting", None), "counted_modes", ()))


def default_mode(view: View) -> Mode:
    """Mode of a device that the roster does not know."""
    return MODES[getattr(getattr(view.city, "counting", None), "unassigned_mode", "foot")]


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
    return device_modes(data.read("devices", day), data.read("assignments", day)), default_mode(view)


def stored_network(segments: pd.DataFrame, sections: pd.DataFrame) -> Any:
    """As much of a network as completions need: lengths and measures as stored, no topology (which costs seconds)."""
    return SimpleNamespace(
        graph=SimpleNamespace(seg_length_mm=segments["length_mm"].to_numpy(np.int64)),
        segments=segments,
        sections=sections,
        seg_section=pd.Index(sections["section_id"]).get_indexer(pd.Index(segments["section_id"])).astype(np.int32),
        seg_measure_from_mm=segments["measure_from_mm"].to_numpy(np.int32),
        seg_measure_to_mm=segments["measure_to_mm"].to_numpy(np.int32),
    )
