"""A network and passes made by hand for tests: straight segments with given lengths on given measures."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
from shapely.geometry import LineString

from gis.model import Mode, Passes
from gis.network.model import Network, RoadGraph

CRS = pyproj.CRS.from_epsg(4550)
TO_WGS84 = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)
X0, Y0 = 500_000.0, 3_260_000.0


@dataclass(frozen=True)
class Seg:
    """One segment: id, section, first and last point (metres from the town's origin), and its place on the section's measure (metres)."""

    id: str
    section: str
    a: tuple[float, float]
    b: tuple[float, float]
    measure: tuple[float, float]
    grid: str = ""
    oneway: int = 0


@dataclass(frozen=True)
class Sec:
    """One section: id, road, class, rule (None: no rule), squad, work grid, zone."""

    id: str
    road: str
    policy_class: str
    rule: str | None
    unit: str = "squad-1"
    grid: str = ""
    zone: str = "central"


def _lonlat(points: Sequence[tuple[float, float]]) -> LineString:
    return LineString([TO_WGS84.transform(X0 + x, Y0 + y) for x, y in points])


def make_network(sections: Sequence[Sec], segments: Sequence[Seg]) -> Network:
    """The network of the given sections and segments; lengths are planar."""
    nodes = {p: i for i, p in enumerate(dict.fromkeys(q for s in segments for q in (s.a, s.b)))}
    length = np.array([round(1000 * np.hypot(s.b[0] - s.a[0], s.b[1] - s.a[1])) for s in segments], dtype=np.int32)
    xy = np.array([(X0 + x, Y0 + y) for s in segments for x, y in (s.a, s.b)])
    graph = RoadGraph(
        crs=CRS,
        node_x=np.array([X0 + p[0] for p in nodes]),
        node_y=np.array([Y0 + p[1] for p in nodes]),
        seg_u=np.array([nodes[s.a] for s in segments], dtype=np.int32),
        seg_v=np.array([nodes[s.b] for s in segments], dtype=np.int32),
        seg_oneway=np.array([s.oneway for s in segments], dtype=np.int8),
        seg_length_mm=length,
        seg_tunnel=np.zeros(len(segments), dtype=np.bool_),
        vert_ptr=np.arange(0, 2 * len(segments) + 1, 2, dtype=np.int32),
        vert_x=xy[:, 0].copy(),
        vert_y=xy[:, 1].copy(),
        vert_mm=np.stack([np.zeros_like(length), length], axis=1).ravel(),
    )
    index = {s.id: i for i, s in enumerate(sections)}
    of = {s.id: s for s in sections}
    measure = np.array([[round(1000 * m) for m in s.measure] for s in segments], dtype=np.int32)
    seg = gpd.GeoDataFrame(
        {
            "segment_id": [s.id for s in segments],
            "section_id": [s.section for s in segments],
            "road_id": [of[s.section].road for s in segments],
            "road_name": [of[s.section].road for s in segments],
            "source_class": [of[s.section].policy_class for s in segments],
            "policy_class": [of[s.section].policy_class for s in segments],
            "rule_id": [of[s.section].rule for s in segments],
            "no_rule_reason": [None if of[s.section].rule else "class" for s in segments],
            "patrollable": [bool(of[s.section].rule) for s in segments],
            "length_mm": length,
            "measure_from_mm": measure[:, 0],
            "measure_to_mm": measure[:, 1],
            "u": [str(nodes[s.a]) for s in segments],
            "v": [str(nodes[s.b]) for s in segments],
            "oneway": [s.oneway for s in segments],
            "bridge": False,
            "tunnel": False,
            "level": 0,
            "work_grid_id": [s.grid or of[s.section].grid for s in segments],
            "community_grid_id": "C1",
            "town_id": "T1",
        },
        geometry=[_lonlat([s.a, s.b]) for s in segments],
        crs=4326,
    )
    mine = {s.id: [i for i, g in enumerate(segments) if g.section == s.id] for s in sections}
    sec = gpd.GeoDataFrame(
        {
            "section_id": [s.id for s in sections],
            "name": [s.id for s in sections],
            "road_id": [s.road for s in sections],
            "road_name": [s.road for s in sections],
            "from_name": None,
            "to_name": None,
            "policy_class": [s.policy_class for s in sections],
            "rule_id": [s.rule for s in sections],
            "no_rule_reason": [None if s.rule else "class" for s in sections],
            "length_mm": [int(measure[mine[s.id]].max()) for s in sections],
            "declared": True,
            "unit_id": [s.unit for s in sections],
            "unit_source": ["work_grid" if s.unit else "" for s in sections],
            "work_grid_id": [s.grid for s in sections],
            "town_id": "T1",
            "zone": [s.zone for s in sections],
        },
        geometry=[seg.geometry.iloc[mine[s.id]].union_all() for s in sections],
        crs=4326,
    )
    return Network(
        graph=graph,
        segments=seg,
        sections=sec,
        seg_section=np.array([index[s.section] for s in segments], dtype=np.int32),
        seg_measure_from_mm=np.ascontiguousarray(measure[:, 0]),
        seg_measure_to_mm=np.ascontiguousarray(measure[:, 1]),
    )


@dataclass(frozen=True)
class Go:
    """One pass: device, segment, from and to (metres along the segment), enter and leave (UTC ms)."""

    device: str
    segment: str
    from_m: float
    to_m: float
    enter_ms: int
    leave_ms: int
    seen: bool = True
    confidence: float = 0.99


def make_passes(network: Network, goes: Sequence[Go], modes: dict[str, Mode] | None = None) -> Passes:
    """Passes of the model, sorted as it asks."""
    modes = modes or {}
    devices = tuple(sorted({g.device for g in goes} | set(modes)))
    ids = {s: i for i, s in enumerate(network.segments["segment_id"])}
    rows = sorted(
        goes, key=lambda g: (devices.index(g.device), g.enter_ms, g.leave_ms, ids[g.segment], round(g.from_m * 1000))
    )
    return Passes(
        segment_ix=np.array([ids[g.segment] for g in rows], dtype=np.int32),
        from_mm=np.array([round(g.from_m * 1000) for g in rows], dtype=np.int32),
        to_mm=np.array([round(g.to_m * 1000) for g in rows], dtype=np.int32),
        enter_ms=np.array([g.enter_ms for g in rows], dtype=np.int64),
        leave_ms=np.array([g.leave_ms for g in rows], dtype=np.int64),
        device_ix=np.array([devices.index(g.device) for g in rows], dtype=np.int32),
        track_ix=np.array([devices.index(g.device) for g in rows], dtype=np.int32),
        first_fix_ms=np.array([g.enter_ms for g in rows], dtype=np.int64),
        last_fix_ms=np.array([g.leave_ms for g in rows], dtype=np.int64),
        seen=np.array([g.seen for g in rows], dtype=np.bool_),
        confidence=np.array([g.confidence for g in rows], dtype=np.float32),
        devices=devices,
        mode=np.array([int(modes.get(d, Mode.EBIKE)) for d in devices], dtype=np.int8),
    )


def frame(columns: str, rows: Sequence[Sequence[object]] = ()) -> pd.DataFrame:
    """A frame with the columns named in a text."""
    names = columns.split()
    return pd.DataFrame([list(r) for r in rows], columns=names)


def utc(text: str) -> pd.Timestamp:
    """A local Shanghai time such as `2026-03-18 08:30` in UTC."""
    return pd.Timestamp(text, tz="Asia/Shanghai").tz_convert("UTC")


def ms(text: str) -> int:
    """The same in milliseconds."""
    return int(utc(text).timestamp() * 1000)


PERSONS = "person_id name role unit_id town_id duty valid_from valid_to"
DEVICES = "device_id kind mode"
ASSIGNMENTS = "device_id person_id mode valid_from valid_to"
RESPONSIBILITIES = "responsibility_id person_id duty_kind target_kind target_id road_name from_name to_name source_text resolved problem valid_from valid_to"
EXCEPTIONS = "exception_id kind target_kind target_id substitute_id starts ends reason approver entered_at"
