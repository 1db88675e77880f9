"""Which polygon a line belongs to, by length inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    import numpy.typing as npt

_AREA_DIMENSION = 2


def inside_lengths(
    lines: npt.NDArray[np.object_], polygons: npt.NDArray[np.object_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Length of each line in each polygon that it meets, in the units of their (shared, metric) CRS.

    Returns:
        line (Q,), polygon (Q,), length inside (Q,).
    """
    tree = shapely.STRtree(lines)
    poly, line = tree.query(polygons, predicate="intersects")
    shapely.prepare(polygons)
    length = shapely.length(lines)[line]
    part = ~shapely.contains_properly(polygons[poly], lines[line])
    length[part] = shapely.length(shapely.intersection(lines[line[part]], polygons[poly[part]]))
    return line, poly, length


def owners(
    lines: npt.NDArray[np.object_],
    polygons: npt.NDArray[np.object_],
    codes: npt.NDArray[np.object_],
    *,
    tolerance_m: float,
) -> tuple[npt.NDArray[np.int64], int]:
    """The polygon that owns each line: greatest length inside; on a boundary the smaller code.

    Length is taken inside each polygon grown by the tolerance, so that a line along a boundary lies in both neighbours. Among the
    polygons whose length comes within the tolerance of the greatest, the smallest code (as text) owns the line. A line of which
    less than half lies in any polygon has no owner.

    Args:
        lines: object (S,), in a metric CRS.
        polygons: object (G,), same CRS.
        codes: object (G,), str.
        tolerance_m: metres.

    Returns:
        Row of the owner (S,), -1 for none; and the number of lines decided by the smaller code.
    """
    owner = np.full(len(lines), -1, np.int64)
    areal = shapely.get_dimensions(polygons) == _AREA_DIMENSION
    if not areal.any():
        return owner, 0
    rank = np.argsort(np.argsort(codes.astype(str), kind="stable"), kind="stable")
    grown = shapely.buffer(polygons, tolerance_m, quad_segs=4) if tolerance_m > 0 else polygons
    line, poly, inside = inside_lengths(lines, grown)
    total = np.bincount(line, weights=inside, minlength=len(lines))
    best = np.zeros(len(lines))
    np.maximum.at(best, line, inside)
    close = (inside >= best[line] - tolerance_m) & (inside > 0) & (total[line] * 2 >= shapely.length(lines)[line])
    line, poly = line[close], poly[close]
    order = np.lexsort((rank[poly], line))
    line, poly = line[order], poly[order]
    first = np.r_[True, line[1:] != line[:-1]] if len(line) else np.zeros(0, bool)
    owner[line[first]] = poly[first]
    return owner, int((np.bincount(line, minlength=len(lines)) > 1).sum())


def greatest(
    group: npt.NDArray[np.int64], value: npt.NDArray[np.object_], weight: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.object_]:
    """Per group the value with the greatest total weight, the smaller value on a tie; empty text counts as a value.

    >>> greatest(np.array([0, 0, 0]), np.array(["b", "a", "b"], object), np.array([1, 3, 1]), 1)
    array(['a'], dtype=object)
    """
    names, code = np.unique(value.astype(str), return_inverse=True)
    key, place = np.unique(group * len(names) + code, return_inverse=True)
    total = np.bincount(place, weights=weight)
    of, which = np.divmod(key, max(len(names), 1))
    order = np.lexsort((which, -total, of))
    of, which = of[order], which[order]
    first = np.r_[True, of[1:] != of[:-1]] if len(of) else np.zeros(0, bool)
    out = np.full(count, "", dtype=object)
    out[of[first]] = names[which[first]]
    return out
