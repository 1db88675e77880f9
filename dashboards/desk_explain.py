"""The evidence behind a figure: passes with their persons, stretches and speeds; the fixes near a section; a grid's streets by what was visited."""

# ruff: noqa: E501 (a description stands on a line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from shapely.ops import substring

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt
    import pyarrow as pa

MM_PER_M = 1000.0
NEAR_DEG = 300 / 111_320.0  # about 300 m in degrees of latitude
MOST_FIXES = 4000
BESIDE_MS = 30_000


def carriers(duty: pd.DataFrame, device: str, moment_ms: int) -> list[str]:
    """Persons on duty who carried a device at a moment."""
    inside = (duty["device_id"] == device) & (duty["from_ms"] <= moment_ms) & (moment_ms < duty["to_ms"])
    return [str(p) for p in duty.loc[inside, "person_id"].unique()]


def pass_rows(passes: pa.Table, duty: pd.DataFrame | None, names: dict[str, str]) -> pd.DataFrame:
    """Passes as people read them, by time.

    Args:
        passes: of `ScopedStore.passes` (device_id only for roles that see tracks), with moved_mm and took_ms where they were judged by more
            than themselves (`ScopedStore.paces`).
        duty: who carried which device on duty; None for roles that may not know.
        names: person id -> name.

    Returns:
        segment_id, from_m, to_m, enter_ms, leave_ms, speed_kmh, seen, confidence and, where allowed, device_id and person (empty: off duty).
    """
    frame: pd.DataFrame = passes.to_pandas()
    out = frame[["segment_id", "enter_ms", "leave_ms", "seen", "confidence", "from_mm", "to_mm"]].copy()
    out["from_m"], out["to_m"] = frame["from_mm"] / MM_PER_M, frame["to_mm"] / MM_PER_M
    judged = frame if "moved_mm" in frame else frame.assign(
        moved_mm=(frame["to_mm"] - frame["from_mm"]).abs(), took_ms=frame["leave_ms"] - frame["enter_ms"]
    )  # fmt: skip
    seconds, metres = judged["took_ms"] / 1000, judged["moved_mm"] / MM_PER_M
    out["speed_kmh"] = np.where(seconds > 0, metres / seconds.where(seconds > 0, 1.0) * 3.6, np.nan)
    if duty is not None and "device_id" in frame:
        out["device_id"] = frame["device_id"]
        ids = [carriers(duty, str(d), int(t)) for d, t in zip(frame["device_id"], frame["enter_ms"], strict=True)]
        out["person_ids"] = pd.Series(ids, index=out.index, dtype=object)
        out["person"] = ["、".join(names.get(p, p) for p in who) for who in ids]
    return out.sort_values(["enter_ms", "segment_id", "from_mm"], kind="stable", ignore_index=True)


def why_not(
    rows: pd.DataFrame,
    on_duty: pd.DataFrame,
    *,
    carried: Collection[str],
    nobodys: Collection[str],
    mode_of: dict[str, str],
    roles: tuple[str, ...],
    limit_kmh: dict[str, float],
) -> list[str]:
    """Why each pass does not count under a rule: off_duty, unassigned, role, too_fast, inferred; empty where it may count.

    Args:
        rows: of `pass_rows`, with `device_id`.
        on_duty: who was on duty in the whole county (`ScopedStore.roles_on_duty`): device_id, from_ms, to_ms, role.
        carried: devices that the whole county's roster gives somebody that day.
        nobodys: modes whose devices count although nobody carries them, as the city file says.
        mode_of: device id -> mode.
        roles: roles that the rule names.
        limit_kmh: patrol speed of each mode.
    """
    shifts = {str(k): part for k, part in on_duty.groupby("device_id")}
    out = []
    for device, at, speed, seen in zip(
        rows["device_id"].astype(str), rows["enter_ms"], rows["speed_kmh"], rows["seen"], strict=True
    ):
        mode, known = mode_of.get(device, ""), device in carried
        own = shifts.get(device, on_duty.iloc[:0])
        here = set(own.loc[(own["from_ms"] <= at) & (at < own["to_ms"]), "role"])
        if not known and mode not in nobodys:
            out.append("unassigned")
        elif known and not here:
            out.append("off_duty")
        elif known and not here & set(roles):
            out.append("role")
        elif speed == speed and speed > limit_kmh.get(mode, float("inf")):  # noqa: PLR0124 (NaN: no time passed)
            out.append("too_fast")
        else:
            out.append("" if seen else "inferred")
    return out


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
