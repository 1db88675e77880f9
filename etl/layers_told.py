"""What is said of a city's layers together: an undeclared offset of one of them, and how much of the roads grids and boundary hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from etl.alignment import GRIDS, Misfit, misfits
from gis.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd

    Shapes = npt.NDArray[np.object_]

LAID_ON_EACH_OTHER = ("road_edges", "areas", "work_grids", "community_grids")
LOW = 0.1  # grids that hold less of the roads' length are told of
LOW_BOUNDARY = 0.5  # a boundary that does: it should hold nearly all
_NAMES = {"gcj02": "GCJ-02", "bd09": "BD-09"}
_AREAS = (("boundary", "边界", "boundary"), ("scope", "范围", "scope"))
_WIND = (("北", "north"), ("东北", "north-east"), ("东", "east"), ("东南", "south-east"),
         ("南", "south"), ("西南", "south-west"), ("西", "west"), ("西北", "north-west"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the roads' length lies in one layer.

    Attributes:
        code: work_grids, community_grids, boundary or scope.
        table: the table that holds it.
        zh, en: its names.
        share: of the roads' length, 0 to 1.
    """

    code: str
    table: str
    zh: str
    en: str
    share: float

    @property
    def low(self) -> bool:
        """Whether it is so little that it is warned of."""
        return self.share < (LOW_BOUNDARY if self.code == "boundary" else LOW)

    def words(self) -> tuple[str, str]:
        """The figure in Chinese and English."""
        share = _share(self.share)
        return f"{self.zh}含道路长度的 {share}", f"{share} of the roads' length lies in the {self.en}"


def coverage(tables: Mapping[str, pd.DataFrame]) -> list[Coverage]:
    """Share of the roads' length in the work grids, the community grids, the boundary and the scope, of those that there are."""
    edges, areas = tables.get("road_edges"), tables.get("areas")
    if edges is None or not len(edges):
        return []
    found = [(t, t, zh, en, tables.get(t)) for t, zh, en in GRIDS]
    if areas is not None and len(areas):
        found += [(kind, "areas", zh, en, areas[areas["kind"] == kind]) for kind, zh, en in _AREAS]
    lines = _drawn(edges, 1)
    north = float(np.median(shapely.get_coordinates(lines)[:, 1])) if len(lines) else 0.0
    scale = np.array([np.cos(np.radians(north)), 1.0])
    flat = shapely.transform(lines, lambda xy: xy * scale)
    flat = flat[shapely.length(flat) > 0]
    out = []
    for code, table, zh, en, frame in found:
        shapes = _drawn(frame, 2) if frame is not None and len(frame) else None
        if shapes is not None and len(shapes):
            within = _length_within(flat, shapely.transform(shapes, lambda xy: xy * scale))
            out.append(Coverage(code, table, zh, en, within / max(float(shapely.length(flat).sum()), 1e-12)))
    return out


def _drawn(frame: pd.DataFrame, dimension: int) -> Shapes:
    """The geometries of a dimension, valid."""
    shapes = np.asarray(frame["geometry"], dtype=object)
    shapes = shapes[~shapely.is_missing(shapes)]
    shapes = shapes[shapely.get_dimensions(shapes) == dimension]
    return np.asarray(shapely.make_valid(shapes), dtype=object)


def _length_within(lines: Shapes, shapes: Shapes) -> float:
    """Length of lines within the union of polygons: lines inside one count whole, those that cross are cut."""
    tree = shapely.STRtree(lines)
    whole = np.unique(tree.query(shapes, predicate="covers")[1])
    polygon, line = tree.query(shapes, predicate="intersects")
    cut = ~np.isin(line, whole)
    length = float(shapely.length(lines[whole]).sum())
    if cut.any():
        crossed = np.unique(line[cut])
        ground = shapely.union_all(shapes[np.unique(polygon[cut])])
        shapely.prepare(ground)
        length += float(shapely.length(shapely.intersection(lines[crossed], ground)).sum())
    return length


def warnings_of(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, int, Fault]]:
    """What is to be said of the layers, each with the table that it is about and a figure: metres of an offset, or 1 for a low share."""
    out = [(m.table, round(m.shift_m), _offset(m)) for m in misfits(tables)]
    return out + [(c.table, 1, _low(c)) for c in coverage(tables) if c.low]


def network_notes(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, object]]:
    """The same as notes of a network (contract `network_notes`), so that every run that rests on these layers tells them."""
    return [
        {"code": f"{f.code}.{table}.{i}", "count": n, "zh": f"{f.zh} → {f.fix_zh}", "en": f"{f.en} → {f.fix_en}"}
        for i, (table, n, f) in enumerate(warnings_of(tables), start=1)
    ]


def _share(share: float) -> str:
    return f"{share:.2%}" if share < LOW else f"{share:.1%}"


def _low(c: Coverage) -> Fault:
    share = _share(c.share)
    return Fault(
        "layers.coverage",
        f"{c.zh}只含道路长度的 {share}：其余道路不在其中，以它为据的规则只覆盖这一部分",
        f"only {share} of the roads' length lies in the {c.en}: rules that rest on them cover that part alone",
        "核对两者是否同一地区、坐标系与偏移是否声明正确；若本来如此，可不处理",
        "see whether both are of the same place and their CRS and datum are declared; if it is meant so, nothing is to be done",
        column=c.zh,
    )


def _offset(m: Misfit) -> Fault:
    wind_zh, wind_en = _WIND[round(m.bearing_deg / 45) % 8]
    name = _NAMES[m.datum]
    return Fault(
        "layers.offset",
        f"{m.zh}相对{m.against_zh}很可能有未声明的 {name} 偏移（向{wind_zh}约 {m.shift_m:.0f} 米，{m.bearing_deg:.0f}°）："
        f"按原样 {m.good_as_is:.0%} 相合，改正后 {m.good_corrected:.0%}，其他方向与大小的平移都不及；未作改动",
        f"the {m.en} likely have an undeclared {name} offset against the {m.against_en} "
        f"(about {m.shift_m:.0f} m to the {wind_en}, {m.bearing_deg:.0f}°): as they are {m.good_as_is:.0%} agree, "
        f"corrected {m.good_corrected:.0%}, no other shift does as well; nothing was shifted",
        f'核实后在{m.zh}的来源中写 datum = "{m.datum}" 并重新载入；若{m.against_zh}的来源声明了 datum，先核实那一处',
        f'verify, then write datum = "{m.datum}" at the source of the {m.en} and load again; '
        f"where the source of the {m.against_en} declares a datum, verify that one first",
        column=m.zh,
    )
