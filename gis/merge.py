"""Shards put together again: fixes and passes of disjoint groups of devices, as if they had been computed at once.

Devices are numbered anew by their sorted ids and tracks in the order of devices, so that the result does not depend on how the devices were
divided: the same arrays come out of 1 shard and of 16, whatever process computed them.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gis.errors import Fault, InputError
from gis.model import Fixes, Passes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy.typing as npt


def concat_fixes(parts: Sequence[Fixes]) -> Fixes:
    """Fixes of disjoint groups of devices as one.

    Args:
        parts: at least one.

    Raises:
        InputError: a device stands in two parts.
    """
    devices, maps = _devices([p.devices for p in parts])
    tracks = _track_maps(parts, maps, len(devices))
    device = np.concatenate([m[p.device_ix] for m, p in zip(maps, parts, strict=True)]).astype(np.int32)
    order = np.argsort(device, kind="stable")  # each part is sorted by device and time already
    track = np.concatenate([_mapped(t, p.track_ix) for t, p in zip(tracks, parts, strict=True)])
    return Fixes(
        device_ix=device[order],
        t_ms=_joined(parts, "t_ms")[order],
        x=_joined(parts, "x")[order],
        y=_joined(parts, "y")[order],
        flags=_joined(parts, "flags")[order],
        track_ix=track[order],
        devices=devices,
        mode=_modes(parts, maps, len(devices)),
    )


def concat_passes(parts: Sequence[Passes], fixes: Sequence[Fixes]) -> Passes:
    """Passes of disjoint groups of devices as one, sorted as `Passes` says.

    Args:
        parts: at least one.
        fixes: the fixes that each part was matched from: they number the tracks.

    Raises:
        InputError: a device stands in two parts.
    """
    devices, maps = _devices([f.devices for f in fixes])
    tracks = _track_maps(fixes, maps, len(devices))
    columns: dict[str, Any] = {
        f.name: _joined(parts, f.name)
        for f in fields(Passes)
        if f.name not in {"devices", "mode", "device_ix", "track_ix"}
    }
    columns["device_ix"] = np.concatenate([m[p.device_ix] for m, p in zip(maps, parts, strict=True)]).astype(np.int32)
    columns["track_ix"] = np.concatenate([_mapped(t, p.track_ix) for t, p in zip(tracks, parts, strict=True)])
    keys = ("from_mm", "segment_ix", "leave_ms", "enter_ms", "device_ix")
    order = np.lexsort([columns[k] for k in keys])
    return Passes(**{k: v[order] for k, v in columns.items()}, devices=devices, mode=_modes(fixes, maps, len(devices)))


def of_devices(fixes: Fixes, passes: Passes, wanted: Collection[str]) -> tuple[Fixes, Passes]:
    """Fixes and passes of some of the devices, ready to be put together with those of others (tracks keep their numbers until then)."""
    keep = np.array([d in wanted for d in fixes.devices], dtype=np.bool_)
    number = (np.cumsum(keep) - 1).astype(np.int32)
    devices, mode = tuple(d for d in fixes.devices if d in wanted), fixes.mode[keep]
    parts: list[Any] = []
    for whole in (fixes, passes):
        rows = keep[whole.device_ix]
        columns = {f.name: getattr(whole, f.name)[rows] for f in fields(whole) if f.name not in {"devices", "mode"}}
        columns["device_ix"] = number[columns["device_ix"]]
        parts.append(type(whole)(**columns, devices=devices, mode=mode))
    return parts[0], parts[1]


def _devices(groups: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], list[npt.NDArray[np.int32]]]:
    """All devices sorted, and for each part where its devices stand among them."""
    together = [d for g in groups for d in g]
    devices = sorted(together)
    twice = sorted({a for a, b in pairwise(devices) if a == b})
    if twice:
        raise InputError(
            Fault(
                "shards.twice",
                f"设备出现在两个分片中：{'、'.join(twice[:5])}",
                f"devices in two shards: {', '.join(twice[:5])}",
            )
        )
    place = {d: i for i, d in enumerate(devices)}
    return tuple(devices), [np.array([place[d] for d in g], dtype=np.int32) for g in groups]


def _track_maps(
    parts: Sequence[Fixes], maps: Sequence[npt.NDArray[np.int32]], count: int
) -> list[npt.NDArray[np.int32]]:
    """Each part's track numbers to the common ones: by device, then by their order in it."""
    tracks_of = np.zeros(count, dtype=np.int64)
    firsts = []
    for part, where in zip(parts, maps, strict=True):
        kept = part.track_ix >= 0
        track, first = np.unique(part.track_ix[kept], return_index=True)
        owner = where[part.device_ix[kept][first]]
        tracks_of += np.bincount(owner, minlength=count)
        firsts.append((track, owner))
    begin = np.concatenate(([0], np.cumsum(tracks_of)))[:-1]
    out = []
    for track, owner in firsts:
        # Within a part tracks are numbered by device: the place of a track among those of its device is its distance to the first of them.
        place = np.arange(len(track)) - np.searchsorted(_runs(owner), _runs(owner), side="left")
        mapped = np.full(int(track.max(initial=-1)) + 1, -1, dtype=np.int32)
        mapped[track] = begin[owner] + place
        out.append(mapped)
    return out


def _runs(owner: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Number of the run of equal values that each value stands in."""
    return np.concatenate(([0], np.cumsum(np.diff(owner) != 0))) if len(owner) else np.zeros(0, dtype=np.int64)


def _mapped(table: npt.NDArray[np.int32], track: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    out = np.full(len(track), -1, dtype=np.int32)
    kept = track >= 0
    out[kept] = table[track[kept]]
    return out


def _modes(parts: Sequence[Fixes], maps: Sequence[npt.NDArray[np.int32]], count: int) -> npt.NDArray[np.int8]:
    mode = np.zeros(count, dtype=np.int8)
    for part, where in zip(parts, maps, strict=True):
        mode[where] = part.mode
    return mode


def _joined(parts: Sequence[Any], name: str) -> npt.NDArray[Any]:
    joined: npt.NDArray[Any] = np.concatenate([getattr(p, name) for p in parts])
    return joined
