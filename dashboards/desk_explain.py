"""The evidence behind a figure: passes with their persons, stretches and speeds; the fixes near a section; a grid's streets by what was visited."""

# ruff: noqa: E501 (a description stands on a line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from shapely.ops import substring

if TYPE_CHECKING:
    import numpy.typing as npt

MM_PER_M = 1000.0
NEAR_DEG = 300 / 111_320.0  # about 300 m in degrees of latitude
MOST_FIXES = 4000
BESIDE_MS = 30_000


def with_persons(rows: pd.DataFrame, duty: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Passes with the persons of the visitor's scope who carried their devices on duty (`person`; empty: of another scope, or nobody).

    Args:
        rows: of `ScopedStore.judged_passes`, with `device_id`.
        duty: who carried which device on duty (`ScopedStore.duty`).
        names: person id -> name.
    """
    pairs = rows[["device_id", "enter_ms", "leave_ms"]].reset_index(names="at").merge(duty, on="device_id")
    inside = pairs[(pairs["from_ms"] <= pairs["leave_ms"]) & (pairs["enter_ms"] < pairs["to_ms"])]
    inside = inside.drop_duplicates(["at", "person_id"]).sort_values(["at", "person_id"], kind="stable")
    said = inside["person_id"].map(lambda p: names.get(p, p)).groupby(inside["at"]).agg("、".join)
    return rows.assign(person=said.reindex(range(len(rows))).fillna("").to_numpy(dtype=object))


def pass_lines(rows: pd.DataFrame, segments: pd.DataFrame) -> list[Any]:
    """The stretch of each pass as a line (EPSG:4326), None where its segment is unknown."""
    known = {
        str(k): (max(float(mm), 1.0), line)
        for k, mm, line in zip(segments["segment_id"], segments["length_mm"], segments["geometry"], strict=True)
    }
    out: list[Any] = []
    for key, start, end in zip(rows["segment_id"].astype(str), rows["from_mm"], rows["to_mm"], strict=True):
        if key not in known:
            out.append(None)
            continue
        length, shape = known[key]
        low, high = sorted((min(float(start) / length, 1.0), min(float(end) / length, 1.0)))
        line = substring(shape, low, high, normalized=True)
        out.append(line if line.geom_type == "LineString" else None)
    return out


def near(fixes: pd.DataFrame, shape: Any) -> pd.DataFrame:
    """Fixes within about 300 m of a shape: what the figure is about, and no more of a person's day."""
    if not len(fixes):
        return fixes
    points = shapely.points(fixes["lon"].to_numpy(), fixes["lat"].to_numpy())
    around = shapely.buffer(shape, NEAR_DEG)
    shapely.prepare(around)
    return fixes[shapely.intersects(around, points)].head(MOST_FIXES).reset_index(drop=True)


def of_passes(fixes: pd.DataFrame, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which fixes were taken during a pass by its own device, or within `BESIDE_MS` of it."""
    if not len(fixes) or "device_id" not in rows:
        return np.zeros(len(fixes), dtype=bool)
    pairs = (
        fixes[["device_id", "t_ms"]]
        .reset_index(names="fix")
        .merge(rows[["device_id", "enter_ms", "leave_ms"]], on="device_id")
    )
    during = pairs["t_ms"].between(pairs["enter_ms"] - BESIDE_MS, pairs["leave_ms"] + BESIDE_MS)
    return np.isin(np.arange(len(fixes)), pairs.loc[during, "fix"].to_numpy())


def visited_codes(segments: pd.DataFrame, days: pd.DataFrame, *, whole: float) -> npt.NDArray[np.int64]:
    """0 wholly, 1 partly, 2 not visited, for each segment; `whole` is the share that counts as a whole."""
    visited = days.drop_duplicates("segment_id").set_index("segment_id")["visited_mm"].reindex(segments["segment_id"])
    share = visited.fillna(0).to_numpy(dtype=float) / np.maximum(segments["length_mm"].to_numpy(dtype=float), 1.0)
    return np.where(share >= whole, 0, np.where(share > 0, 1, 2)).astype(np.int64)


def unvisited_by_road(unvisited: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Metres visited in no round by road, longest first: road_name, metres, pieces."""
    if not len(unvisited):
        return pd.DataFrame({"road_name": [], "metres": [], "pieces": []})
    names = segments.drop_duplicates("segment_id").set_index("segment_id")["road_name"]
    rows = pd.DataFrame(
        {
            "road_name": unvisited["segment_id"].map(names).fillna("").astype(str).to_numpy(),
            "metres": (unvisited["to_mm"] - unvisited["from_mm"]).abs().to_numpy() / MM_PER_M,
        }
    )
    grouped = rows.groupby("road_name", as_index=False).agg(metres=("metres", "sum"), pieces=("metres", "size"))
    return grouped.sort_values(["metres", "road_name"], ascending=[False, True], kind="stable", ignore_index=True)
