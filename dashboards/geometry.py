r"""Geometry for the map in a compact form: sent once, cached by the browser, decoded by frontend/src/payload.ts.

Layout: `XQ1\0`, uint32 little-endian length of a JSON header, the header, one stream of LEB128 varints: rings a feature, vertices a
ring, then zigzag differences of x and of y in steps of `scale` degrees (1e-6, about 0.1 m), each from the vertex before it.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd

MAGIC = b"XQ1\0"
SCALE = 1e-6
PayloadKind = Literal["line", "polygon", "point"]


def varints(values: npt.NDArray[np.uint64]) -> bytes:
    """LEB128 of unsigned integers, low seven bits first.

    >>> varints(np.array([1, 300], dtype=np.uint64)).hex()
    '01ac02'
    """
    if len(values) == 0:
        return b""
    bits = np.maximum(1, np.ceil(np.log2(values.astype(np.float64) + 1))).astype(np.int64)
    sizes = (bits + 6) // 7
    ends = np.cumsum(sizes)
    out = np.zeros(int(ends[-1]), dtype=np.uint8)
    starts = ends - sizes
    for step in range(int(sizes.max())):
        here = sizes > step
        low = (values[here] >> np.uint64(7 * step)) & np.uint64(127)
        more = np.where(sizes[here] > step + 1, np.uint64(128), np.uint64(0))
        out[starts[here] + step] = (low | more).astype(np.uint8)
    return out.tobytes()


def zigzag(values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Signed to unsigned: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return ((values << 1) ^ (values >> 63)).astype(np.uint64)


def kind_of(geometries: npt.NDArray[Any]) -> PayloadKind:
    """What the geometries are, by the first that is not empty."""
    ids = shapely.get_type_id(geometries)
    known = ids[ids >= 0]
    first = int(known[0]) if len(known) else 1
    return "point" if first in {0, 4} else "line" if first in {1, 2, 5} else "polygon"


def _rings(geometries: npt.NDArray[Any], kind: PayloadKind) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Simple rings (points, lines, polygon rings with outer counter-clockwise) and the feature of each."""
    parts, feature = shapely.get_parts(geometries, return_index=True)
    if kind != "polygon":
        return parts, feature.astype(np.int64)
    oriented = shapely.orient_polygons(parts, exterior_cw=False)
    rings, part = shapely.get_rings(oriented, return_index=True)
    return rings, feature[part].astype(np.int64)


def encode(
    geometries: Sequence[Any] | npt.NDArray[Any],
    ids: Sequence[str],
    *,
    titles: Sequence[str] | None = None,
    rank: Sequence[int] | None = None,
) -> bytes:
    """Payload of N features in their order.

    Args:
        geometries: points, lines or polygons (multi or not, all of one kind), EPSG:4326.
        ids: N ids; the position of an id is what state differences refer to.
        titles: N names shown on hover and as labels.
        rank: N small integers; a higher one is drawn wider and above (road class).
    """
    array = np.asarray(geometries, dtype=object)
    kind = kind_of(array)
    usable = np.array(shapely.force_2d(array) if shapely.has_z(array).any() else array, dtype=object)
    usable[shapely.is_empty(usable)] = None
    rings, feature = _rings(usable, kind)
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    steps = np.round(coordinates / SCALE).astype(np.int64)
    parts = np.bincount(feature, minlength=len(array)).astype(np.uint64)
    counts = np.bincount(ring, minlength=len(rings)).astype(np.uint64)
    delta = np.diff(steps, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
    header: dict[str, Any] = {
        "kind": kind,
        "n": len(array),
        "rings": len(rings),
        "vertices": len(steps),
        "scale": SCALE,
        "bounds": [*coordinates.min(axis=0).tolist(), *coordinates.max(axis=0).tolist()] if len(steps) else None,
        "ids": [str(i) for i in ids],
    }
    if titles is not None:
        header["titles"] = ["" if t is None or t != t else str(t) for t in titles]  # noqa: PLR0124 (NaN)
    if rank is not None:
        header["rank"] = [int(r) for r in rank]
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    stream = varints(np.concatenate([parts, counts, zigzag(delta[:, 0]), zigzag(delta[:, 1])]))
    return MAGIC + struct.pack("<I", len(text)) + text + stream


RANK = {"main": 2, "secondary": 1}
TITLES = ("name", "road_name", "title")


def encode_frame(frame: pd.DataFrame, key: str) -> bytes:
    """Payload of a contract's table: ids from `key`, names and road rank where the table has them."""
    title = next((c for c in TITLES if c in frame.columns), None)
    rank = [RANK.get(str(c), 0) for c in frame["policy_class"]] if "policy_class" in frame.columns else None
    return encode(
        frame["geometry"].to_numpy(),
        frame[key].astype(str).tolist(),
        titles=frame[title].tolist() if title else None,
        rank=rank,
    )
