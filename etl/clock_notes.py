"""Devices whose clock contradicts all others of their source: told when they are read, because nobody misses what lies in another year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from layers.store.base import Note

if TYPE_CHECKING:
    import numpy.typing as npt

DAY_MS = 86_400_000
ROLLOVER_MS = 1024 * 7 * DAY_MS  # weeks after which receivers of GPS begin to count anew
APART_MS = 180 * DAY_MS
MOST = 10  # devices named


def clock_notes(spans: pd.DataFrame) -> list[Note]:
    """A note for each device all of whose times lie half a year or more away from those of all other devices.

    Args:
        spans: device_id, t_ms_min, t_ms_max (UTC milliseconds), several rows a device allowed.

    Returns:
        Notes with the device, its day, the days of the others, and whether the difference is that of a rollover of GPS weeks.
    """
    by_device = spans.groupby("device_id", sort=True).agg(low=("t_ms_min", "min"), high=("t_ms_max", "max"))
    low, high = by_device["low"].to_numpy(np.int64), by_device["high"].to_numpy(np.int64)
    if len(low) < 2:  # noqa: PLR2004 (one device has nothing to be compared with)
        return []
    newest = _others(high)
    old = np.flatnonzero(high < newest - APART_MS)
    good = np.setdiff1d(np.arange(len(low)), old)
    old = old[high[old] < low[good].min() - APART_MS]
    days = f"{_day(low[good].min())} – {_day(high[good].max())}"
    notes = []
    for i in old[:MOST]:
        turns = round((newest[i] - high[i]) / ROLLOVER_MS)
        near = turns > 0 and low[good].min() - APART_MS < high[i] + turns * ROLLOVER_MS < high[good].max() + APART_MS
        zh = (
            f"，正好相差约 {turns} 个 GPS 周数回退（1024 周）：请更新设备并向供应商索取更正后的数据"
            if near
            else "，请核对设备时钟"
        )
        en = (
            f"; the difference is {turns} rollover of GPS weeks (1024): update it, and ask for corrected data"
            if near
            else "; look at its clock"
        )
        name = str(by_device.index[i])
        notes.append(
            Note(
                f"设备 {name} 的时间（{_day(low[i])} 起）远早于其他设备（{days}），照原样入库，不计入其他日期{zh}",
                f"device {name} sends times (from {_day(low[i])}) far earlier than all others ({days}); stored as they are{en}",
            )
        )
    if len(old) > MOST:
        notes.append(
            Note(f"另有 {len(old) - MOST} 台设备的时间同样过早", f"{len(old) - MOST} more devices with such times")
        )
    return notes


def _others(high: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each device the newest time of all others."""
    order = np.sort(high)
    return np.asarray(np.where(high == order[-1], order[-2], order[-1]))


def _day(ms: int) -> str:
    return str(pd.Timestamp(int(ms), unit="ms", tz="UTC").date())
