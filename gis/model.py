"""The arrays that flow through the audit: fixes in, passes out. Times are UTC milliseconds since 1970, lengths millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Mode(IntEnum):
    """How a device moves; patrol speeds of the standard are per mode."""

    FOOT = 0
    EBIKE = 1
    VEHICLE = 2


MODES = {mode.name.lower(): mode for mode in Mode}  # as tables and files write them


class FixFlag(IntFlag):
    """Why a fix is doubted. Nothing is deleted: matching leaves out what EXCLUDED names, and every flag is counted."""

    OK = 0
    DUPLICATE = 1  # same device and time as an earlier row
    JUMP = 2  # reached only at an impossible speed, and left again likewise
    STATIONARY = 4  # jitter around one place: presence, no movement
    FAST = 8  # faster than any mode of the device allows
    LATE = 16  # arrived after the day was first audited
    OUTSIDE = 32  # outside the network's bounds


EXCLUDED = FixFlag.DUPLICATE | FixFlag.JUMP | FixFlag.OUTSIDE


@dataclass(frozen=True, slots=True, eq=False)
class Fixes:
    """F fixes sorted by (device_ix, t_ms), original order breaking ties; x, y in the network's metric CRS (metres).

    Attributes:
        device_ix: int32 (F,), row in `devices`.
        t_ms: int64 (F,).
        x, y: float64 (F,).
        flags: uint16 (F,), bits of FixFlag.
        track_ix: int32 (F,), consecutive number of the track a fix belongs to (a track is one device without a silence longer
            than the split setting), -1 for excluded fixes.
        devices: the device ids, sorted.
        mode: int8 (len(devices),), Mode of each device that day.
    """

    device_ix: npt.NDArray[np.int32]
    t_ms: npt.NDArray[np.int64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    flags: npt.NDArray[np.uint16]
    track_ix: npt.NDArray[np.int32]
    devices: tuple[str, ...]
    mode: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Passes:
    """P passes: one device on one stretch of one segment, in whole millimetres and milliseconds; the evidence of every figure.

    Sorted by (device_ix, enter_ms, leave_ms, segment_ix, from_mm). `from_mm` > `to_mm` where it moved against the segment.
    Consecutive passes of a track join up: a route is the ordered passes of a track.

    Attributes:
        segment_ix: int32 (P,).
        from_mm, to_mm: int32 (P,), position along the segment on entering and on leaving.
        enter_ms, leave_ms: int64 (P,), interpolated between the fixes around, leave >= enter.
        device_ix: int32 (P,).
        track_ix: int32 (P,).
        first_fix_ms, last_fix_ms: int64 (P,), times of the fixes that the pass rests on (before or at enter, at or after leave).
        seen: bool (P,), False where inferred across a silence or an ambiguous route.
        confidence: float32 (P,), probability that this stretch was really travelled, 0 … 1.
        devices: the device ids that device_ix points into.
        mode: int8 (len(devices),).
    """

    segment_ix: npt.NDArray[np.int32]
    from_mm: npt.NDArray[np.int32]
    to_mm: npt.NDArray[np.int32]
    enter_ms: npt.NDArray[np.int64]
    leave_ms: npt.NDArray[np.int64]
    device_ix: npt.NDArray[np.int32]
    track_ix: npt.NDArray[np.int32]
    first_fix_ms: npt.NDArray[np.int64]
    last_fix_ms: npt.NDArray[np.int64]
    seen: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float32]
    devices: tuple[str, ...]
    mode: npt.NDArray[np.int8]
