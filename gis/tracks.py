"""Positions to fixes: sorted, projected and flagged; nothing is deleted, every doubt is a bit of `FixFlag`.

The result does not depend on the order of the rows: rows are sorted by (device, time, longitude, latitude) before anything is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from gis.errors import Fault, InputError
from gis.model import Fixes, FixFlag, Mode
from gis.tracks_kernel import flag_duplicates, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_POLE = 90.0
_OUTSIDE = int(FixFlag.OUTSIDE)


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How fixes are judged. Triples are per Mode: foot, e-bike, vehicle.

    Attributes:
        split_s: a silence longer than this begins a new track.
        jump_mps: a fix that is reached and left only above this speed is a jump.
        fast_mps: above this speed the device did not move by its mode.
        slack_m: distance that noise alone may explain; taken off before a speed is judged.
        jump_run: at most so many fixes in a row are one jump; a longer run is believed.
        jump_run_s: nor may such a run last longer than this.
        stay_radius_m: fixes that stay within this radius of their mean …
        stay_s: … for at least this long are one stay: presence, no movement.
    """

    split_s: float = 900.0
    jump_mps: tuple[float, float, float] = (20.0, 30.0, 60.0)
    fast_mps: tuple[float, float, float] = (4.0, 14.0, 40.0)
    slack_m: float = 60.0
    jump_run: int = 8
    jump_run_s: float = 600.0
    stay_radius_m: float = 25.0
    stay_s: float = 120.0


def _encode(devices: Any) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Rows of the sorted device ids, and these ids."""
    values = devices if isinstance(devices, pa.Array | pa.ChunkedArray) else pa.array(devices, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not pa.types.is_dictionary(values.type):
        values = pc.dictionary_encode(values.cast(pa.string()))
    names = np.asarray(values.dictionary.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)
    codes = values.indices.to_numpy(zero_copy_only=False)
    if values.null_count:
        fault = Fault(
            "fix.device",
            "存在没有设备编号的位置",
            "positions without a device id",
            "补全设备编号",
            "fill in the device id",
        )
        raise InputError(fault)
    present = np.zeros(len(names), bool)
    present[codes] = True
    kept = sorted({str(v) for v in names[present]})
    place = {v: i for i, v in enumerate(kept)}
    rank = np.array([place.get(str(v), -1) for v in names], dtype=np.int32)
    return rank[codes] if len(names) else np.zeros(0, np.int32), tuple(kept)


def _sorted_order(
    dev: npt.NDArray[np.int32], t: npt.NDArray[np.int64], lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64] | None:
    """Order of (device, time, lon, lat); None where the rows are in that order already."""
    dd, dt, dx = np.diff(dev), np.diff(t), np.diff(lon)
    same = (dd == 0) & (dt == 0)
    if np.all((dd > 0) | ((dd == 0) & (dt > 0)) | (same & ((dx > 0) | ((dx == 0) & (np.diff(lat) >= 0))))):
        return None
    return np.lexsort((lat, lon, t, dev))


def _check(t: npt.NDArray[np.int64], lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], count: int) -> None:
    faults = []
    if not len(t) == len(lon) == len(lat) == count:
        faults.append(Fault("fix.length", "各列长度不一致", "columns differ in length", "检查输入", "check the input"))
    elif len(t) and not (np.isfinite(lon).all() and np.isfinite(lat).all() and np.abs(lat).max() <= _POLE):
        faults.append(
            Fault(
                "fix.place",
                "存在不可能的经纬度",
                "impossible longitude or latitude",
                "先隔离这些行",
                "quarantine such rows first",
            )
        )
    if faults:
        raise InputError(faults)


def prepare_fixes(
    devices: Any,
    t_ms: npt.NDArray[np.int64],
    lon: npt.NDArray[np.float64],
    lat: npt.NDArray[np.float64],
    *,
    crs: pyproj.CRS,
    mode: Mode | Mapping[str, Mode] = Mode.VEHICLE,
    bounds: tuple[float, float, float, float] | None = None,
    settings: TrackSettings | None = None,
) -> Fixes:
    """Sorts, projects and flags positions, and splits them into tracks.

    Args:
        devices: (F,) device ids: pyarrow (also dictionary-encoded), pandas or numpy strings.
        t_ms: int64 (F,), UTC milliseconds.
        lon: float64 (F,), WGS 84 degrees.
        lat: float64 (F,), WGS 84 degrees.
        crs: metric CRS to work in (the graph's).
        mode: of all devices, or by device id (Mode.VEHICLE where an id is missing).
        bounds: x_min, y_min, x_max, y_max in `crs` outside of which a fix is OUTSIDE; None: nothing is.
        settings: thresholds; the defaults where None.

    Raises:
        InputError: columns of different length, missing device ids, coordinates that are no degrees.
    """
    opts = settings or TrackSettings()
    t = np.asarray(t_ms, np.int64)
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    dev, names = _encode(devices)
    _check(t, lon, lat, len(dev))
    order = _sorted_order(dev, t, lon, lat)
    if order is not None:
        dev, t, lon, lat = dev[order], t[order], lon[order], lat[order]
    to_metric = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = (np.ascontiguousarray(c, np.float64) for c in to_metric.transform(lon, lat))
    flags = np.zeros(len(t), np.uint16)
    if bounds is not None:
        x_min, y_min, x_max, y_max = bounds
        flags[~((x >= x_min) & (x <= x_max) & (y >= y_min) & (y <= y_max))] |= _OUTSIDE
    flag_duplicates(dev, t, flags)
    per_mode = dict.fromkeys(names, mode) if isinstance(mode, Mode) else mode
    modes = np.array([int(per_mode.get(d, Mode.VEHICLE)) for d in names], np.int8)
    track = judge(
        dev, t, x, y, flags, modes, np.array(opts.jump_mps), np.array(opts.fast_mps), opts.slack_m, opts.jump_run,
        int(opts.jump_run_s * 1000), opts.stay_radius_m, int(opts.stay_s * 1000), int(opts.split_s * 1000),
    )  # fmt: skip
    return Fixes(dev, t, x, y, flags, track, names, modes)
