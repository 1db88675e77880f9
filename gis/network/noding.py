"""Nodes for a source that has none: shared end points and true crossings, never across bridge, tunnel or level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    import numpy.typing as npt

DEGREE_DIGITS = 7
"""Coordinates that agree to 1e-7 degree (about a centimetre) are one place."""

_NEAR_DEG = 10.0**-DEGREE_DIGITS


def node_ids(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
    """Ids of nodes from their place, free of any order: `lon,lat` in units of 1e-7 degree."""
    x, y = (np.rint(a * 10**DEGREE_DIGITS).astype(np.int64).astype("U") for a in (lon, lat))
    return np.strings.add(np.strings.add(x, ","), y).astype(object)


def split_at_crossings(
    lines: npt.NDArray[np.object_],
    *,
    bridge: npt.NDArray[np.bool_],
    tunnel: npt.NDArray[np.bool_],
    level: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64], int]:
    """Split lines where they cross or touch on the same level.

    An end that comes within 1e-7 degree of a line touches it.
    Lines that are a bridge or a tunnel, and lines of different level, are never split by one another: they meet at shared end points only.

    Args:
        lines: object (E,), LineStrings in EPSG:4326.
        bridge: bool (E,).
        tunnel: bool (E,).
        level: int (E,).

    Returns:
        The pieces (P,), the line each came from (P,), and the number of cuts made.
    """
    tree = shapely.STRtree(lines)
    a, b = tree.query(lines, predicate="intersects")
    ground = ~(bridge | tunnel)
    keep = (a < b) & ground[a] & ground[b] & (level[a] == level[b])
    a, b = a[keep], b[keep]
    part, of_pair = shapely.get_parts(shapely.intersection(lines[a], lines[b]), return_index=True)
    xy, of_part = shapely.get_coordinates(part, return_index=True)
    pair = of_pair[of_part]
    tips = np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    owner = np.tile(np.arange(len(lines)), 2)
    at_tip = np.zeros(len(xy), bool)
    for side in (a, b):
        for half in (tips[: len(lines)], tips[len(lines) :]):
            at_tip |= shapely.dwithin(half[side[pair]], shapely.points(xy), _NEAR_DEG)
    tip, line = tree.query(tips, predicate="dwithin", distance=_NEAR_DEG)
    touch = (owner[tip] != line) & ground[owner[tip]] & ground[line] & (level[owner[tip]] == level[line])
    where = np.concatenate([a[pair[~at_tip]], b[pair[~at_tip]], line[touch]])
    points = np.concatenate([xy[~at_tip], xy[~at_tip], shapely.get_coordinates(tips[tip[touch]])])
    return _split(lines, where, points)


def _split(
    lines: npt.NDArray[np.object_], where: npt.NDArray[np.int64], xy: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64], int]:
    """Split line `where[i]` at the point `xy[i]`, for all i at once."""
    at = shapely.line_locate_point(lines[where], shapely.points(xy))
    reach = shapely.length(lines)
    inner = (at > _NEAR_DEG) & (at < reach[where] - _NEAR_DEG)
    where, xy, at = where[inner], xy[inner], at[inner]
    order = np.lexsort((at, where))
    where, xy, at = where[order], xy[order], at[order]
    again = np.r_[False, (where[1:] == where[:-1]) & (at[1:] - at[:-1] <= _NEAR_DEG)] if len(at) else np.zeros(0, bool)
    where, xy, at = where[~again], xy[~again], at[~again]

    vert, owner = shapely.get_coordinates(lines, return_index=True)
    step = np.hypot(*np.diff(vert, axis=0, prepend=vert[:1]).T)
    step[np.searchsorted(owner, np.arange(len(lines)))] = 0.0
    run = np.cumsum(step)
    along = run - run[np.searchsorted(owner, owner)]
    drop = np.zeros(len(vert), bool)  # a vertex at the place of a cut gives way to the cut
    if len(at):
        pos = np.searchsorted(_key(owner, along), _key(where, at))
        for shift in (-1, 0):
            k = np.clip(pos + shift, 0, len(vert) - 1)
            same = (owner[k] == where) & (np.abs(along[k] - at) <= _NEAR_DEG)
            drop[k[same]] = True
    own = np.concatenate([owner[~drop], where])
    pts = np.concatenate([vert[~drop], xy])
    s = np.concatenate([along[~drop], at])
    cut = np.concatenate([np.zeros(int((~drop).sum()), np.int64), np.ones(len(where), np.int64)])
    order = np.lexsort((s, own))
    own, pts, cut = own[order], pts[order], cut[order]
    twice = 1 + cut  # a cut ends one piece and begins the next
    own, pts = np.repeat(own, twice), np.repeat(pts, twice, axis=0)
    second = np.zeros(len(own), np.int64)
    second[np.cumsum(twice)[cut == 1] - 1] = 1
    first = np.r_[True, own[1:] != own[:-1]].astype(np.int64)
    piece = np.cumsum(first | second) - 1
    parent = own[np.flatnonzero(first | second)]
    pieces: npt.NDArray[np.object_] = np.asarray(shapely.linestrings(pts, indices=piece), dtype=object)
    return pieces, parent, len(where)


def _key(owner: npt.NDArray[np.int64], along: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A number that sorts as (line, place along it): degrees along a line stay below 1000."""
    return owner * 1000.0 + along
