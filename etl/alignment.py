"""Whether the layers of a city lie on each other: is one of them in GCJ-02 or BD-09 and nobody said so? Only a warning; nothing is shifted.

Roads, areas (by kind) and grids are drawn into masks of some ten metres; points along the lines of one layer are looked up in the mask of
another, as they are and with either offset taken off either layer. An offset is named only where it brings the layers together clearly
better than no shift *and* than every other shift of up to one and a half times its size, in any direction: layers moved by anything else,
layers that fit nowhere, and patterns that fit again after a block or two name nothing. Roads against the boundary that should hold them
are judged in the same way by the share that lies outside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyproj
import shapely

from gis.datum import from_wgs84, in_china, to_wgs84

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Lines = npt.NDArray[np.object_]

Offset = Literal["gcj02", "bd09"]
OFFSETS: tuple[Offset, ...] = ("gcj02", "bd09")
GRIDS = (("work_grids", "工作网格", "work grids"), ("community_grids", "全科网格", "community grids"))

_CELL_M = 12.0  # of the masks; a point is on a line that passes through its cell or a neighbour
_HALF_M = 25_000.0  # of the window that is looked at, around the middle of the roads
_SAMPLE = 1500  # points along the lines of a layer
_TRIED = 300  # of them, for the many shifts of the control
_LEAST = 60  # points below which nothing is said
_GAIN = 0.2  # share of the points that must come onto the other layer
_MOST = 0.4  # … and that must lie there then
_MARGIN = 0.15  # and so much more than with any other shift
_ASIDE_M = 75.0  # a shift this far from the offset is another one
_REACH = 1.5  # other shifts up to this multiple of the offset are tried
_OUT = 0.01  # share of the roads outside a boundary below which nothing is said
_CLEARED = 0.3  # share of those that may remain
_OTHERS_CLEARED = 0.6  # … and that must remain at least with every other shift
_METRES = 111_195.0  # a degree


@dataclass(frozen=True, slots=True)
class Misfit:
    """One layer that fits another with an offset taken off, and not otherwise.

    Attributes:
        table, zh, en: the layer that has the offset.
        against_zh, against_en: the layer that it does not fit.
        datum: the offset.
        good_as_is, good_corrected: share of the sample that lies where it should.
        shift_m, bearing_deg: how far and in which direction the layer lies off (median).
    """

    table: str
    zh: str
    en: str
    against_zh: str
    against_en: str
    datum: Offset
    good_as_is: float
    good_corrected: float
    shift_m: float
    bearing_deg: float

    @property
    def gain(self) -> float:
        """How much better it fits."""
        return self.good_corrected - self.good_as_is


@dataclass(frozen=True, slots=True)
class _Plane:
    """Degrees to metres about a point, good enough within a window: both layers go through the same."""

    lon: float
    lat: float

    def metres(self, lon_lat: Floats) -> Floats:
        scale = [_METRES * np.cos(np.radians(self.lat)), _METRES]
        return np.asarray((lon_lat - [self.lon, self.lat]) * scale)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Lines of a layer within the window.

    Attributes:
        table, kind, zh, en: what it is.
        points: evenly along its lines, degrees.
        here, off, on: the same in metres, as they are and with each offset taken off or put on.
        mask: cells that its lines pass through.
        surface: what a boundary covers, metres.
    """

    table: str
    kind: str
    zh: str
    en: str
    points: Floats
    here: Floats
    off: dict[Offset, Floats]
    on: dict[Offset, Floats]
    mask: Flags
    surface: shapely.Geometry | None


def misfits(tables: Mapping[str, pd.DataFrame]) -> list[Misfit]:
    """The layers that seem to have an undeclared offset, one misfit each; none where all fit, or where nothing tells.

    Args:
        tables: `road_edges`, `areas`, `work_grids`, `community_grids`, as far as there are any (EPSG:4326).
    """
    layers = _layers(tables)
    pairs = [(a, b) for i, a in enumerate(layers) for b in layers[i + 1 :] if a.table != b.table]
    found = [m for a, b in pairs if (m := _pair(a, b)) is not None]
    votes = Counter(m.table for _, m in found)
    out: list[Misfit] = []
    while found:  # the layer that most pairs name; its pairs are told by it
        blamed = max(found, key=lambda p: (votes[p[1].table], p[1].gain))[1].table
        out.append(max((m for _, m in found if m.table == blamed), key=lambda m: m.gain))
        found = [(pair, m) for pair, m in found if blamed not in pair]
    return out


def _pair(a: _Layer, b: _Layer) -> tuple[tuple[str, str], Misfit] | None:
    """The best explained misfit of two layers."""
    told = [m for own, other in ((a, b), (b, a)) for m in (*_on_lines(own, other), *_inside(own, other))]
    return ((a.table, b.table), max(told, key=lambda m: m.gain)) if told else None


# --- layers ---
def _layers(tables: Mapping[str, pd.DataFrame]) -> list[_Layer]:
    parts = [(t, k, zh, en, _shapes(frame)) for t, k, zh, en, frame in _named(tables)]
    middles = [np.median(shapely.get_coordinates(shapes), axis=0) for *_, shapes in parts if len(shapes)]
    if not middles or not in_china(*middles[0]):
        return []
    plane = _Plane(*(float(v) for v in middles[0]))
    made = [_layer(t, k, zh, en, shapes, plane) for t, k, zh, en, shapes in parts]
    return [m for m in made if len(m.points) >= _LEAST]


def _named(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str, str, str, pd.DataFrame]]:
    """Table, kind, names and rows of each layer: the roads first."""
    out: list[tuple[str, str, str, str, pd.DataFrame]] = []
    edges, areas = tables.get("road_edges"), tables.get("areas")
    if edges is not None and len(edges):
        out.append(("road_edges", "", "道路", "roads", edges))
    if areas is not None:
        words = {"boundary": ("边界", "boundary"), "town": ("镇街", "towns"), "zone": ("区位", "zones")}
        for kind in sorted(set(areas["kind"])):
            zh, en = words.get(kind, (f"区域（{kind}）", f"areas ({kind})"))
            out.append(("areas", kind, zh, en, areas[areas["kind"] == kind]))
    out += [(t, "", zh, en, frame) for t, zh, en in GRIDS if (frame := tables.get(t)) is not None]
    return [row for row in out if len(row[4])]


def _shapes(frame: pd.DataFrame) -> Lines:
    shapes = np.asarray(frame["geometry"], dtype=object)
    shapes = shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))]
    return np.asarray(shapes[shapely.get_dimensions(shapes) > 0], dtype=object)


def _layer(table: str, kind: str, zh: str, en: str, shapes: Lines, plane: _Plane) -> _Layer:
    surface = shapely.get_dimensions(shapes) > 1
    lines = shapely.get_parts(np.where(surface, shapely.boundary(shapes), shapes)) if len(shapes) else shapes
    flat = shapely.transform(lines, plane.metres)
    west, south, east, north = shapely.bounds(flat).T if len(flat) else np.zeros((4, 0))
    flat = flat[
        (shapely.length(flat) > 0) & (east > -_HALF_M) & (west < _HALF_M) & (north > -_HALF_M) & (south < _HALF_M)
    ]
    whole = None
    if kind == "boundary" and surface.all():
        whole = shapely.transform(shapely.union_all(shapely.make_valid(shapes)), plane.metres)
        shapely.prepare(whole)
    points = _sampled(flat)
    degrees = np.column_stack(
        [
            points[:, 0] / (_METRES * np.cos(np.radians(plane.lat))) + plane.lon,
            points[:, 1] / _METRES + plane.lat,
        ]
    )
    lon, lat = degrees.T
    off = {d: plane.metres(np.column_stack(to_wgs84(lon, lat, datum=d))) for d in OFFSETS}
    on = {d: plane.metres(np.column_stack(from_wgs84(lon, lat, datum=d))) for d in OFFSETS}
    return _Layer(table, kind, zh, en, degrees, plane.metres(degrees), off, on, _mask(flat), whole)


def _sampled(flat: Lines) -> Floats:
    """Points evenly along lines, (P, 2) in metres: each stands for as much length."""
    length = shapely.length(flat)
    total = float(length.sum())
    if total == 0.0:
        return np.zeros((0, 2))
    step = max(2 * _CELL_M, total / _SAMPLE)
    ends = np.cumsum(length)
    at = np.arange(step / 2, float(ends[-1]), step)
    owner = np.minimum(np.searchsorted(ends, at, side="right"), len(flat) - 1)
    points = shapely.line_interpolate_point(flat[owner], at - (ends[owner] - length[owner]))
    xy = np.column_stack([shapely.get_x(points), shapely.get_y(points)])
    return xy[(np.abs(xy) < _HALF_M).all(axis=1)]


def _mask(flat: Lines) -> Flags:
    """Cells that lines pass through, and their neighbours, by row and column of the window."""
    side = int(2 * _HALF_M / _CELL_M) + 1
    cells = np.zeros((side, side), dtype=bool)
    xy = shapely.get_coordinates(shapely.segmentize(flat, _CELL_M))
    at = _cell(xy[(np.abs(xy) < _HALF_M - 2 * _CELL_M).all(axis=1)])
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            cells[at[:, 1] + row, at[:, 0] + column] = True
    return cells


def _cell(xy: Floats) -> npt.NDArray[np.int64]:
    return np.floor((xy + _HALF_M) / _CELL_M).astype(np.int64)


def _hits(mask: Flags, xy: Floats) -> Flags:
    """Which points (…, 2) lie on a mask; those outside the window do not."""
    at = _cell(xy)
    side = len(mask)
    inside = ((at >= 0) & (at < side)).all(axis=-1)
    at = np.clip(at, 0, side - 1)
    return np.asarray(mask[at[..., 1], at[..., 0]] & inside, dtype=bool)


# --- one layer on another ---
def _hypotheses(own: _Layer, other: _Layer) -> list[tuple[_Layer, _Layer, Offset, Floats]]:
    """Which layer has which offset, and where the points of `own` would lie then, in metres."""
    return [
        *((own, other, datum, own.off[datum]) for datum in OFFSETS),
        *((other, own, datum, own.on[datum]) for datum in OFFSETS),
    ]


def _on_lines(own: _Layer, other: _Layer) -> list[Misfit]:
    """Points of one layer on the lines of another."""
    before = float(_hits(other.mask, own.here).mean())
    tried = [(float(_hits(other.mask, h[3]).mean()), h) for h in _hypotheses(own, other)]
    after, (blamed, against, datum, there) = max(tried, key=lambda t: t[0])
    if after - before < _GAIN or after < _MOST:
        return []
    some = own.here[:: max(1, len(own.here) // _TRIED)]
    rest = _best_of(other.mask, some, _others(np.median(there - own.here, axis=0)))
    return [_misfit(blamed, against, datum, before, after)] if after - rest >= _MARGIN else []


def _inside(own: _Layer, other: _Layer) -> list[Misfit]:
    """Roads within the boundary that should hold them."""
    if own.table != "road_edges" or other.surface is None:
        return []
    surface = other.surface
    before = _outside(surface, own.here)
    if before < _OUT:
        return []
    tried = [(_outside(surface, h[3]), h) for h in _hypotheses(own, other)]
    after, (blamed, against, datum, there) = min(tried, key=lambda t: t[0])
    if after > _CLEARED * before:
        return []
    rest = min(_outside(surface, own.here + d) for d in _ring(np.median(there - own.here, axis=0)))
    return [_misfit(blamed, against, datum, 1 - before, 1 - after)] if rest >= _OTHERS_CLEARED * before else []


def _outside(surface: shapely.Geometry, xy: Floats) -> float:
    return 1.0 - float(shapely.contains_xy(surface, xy[:, 0], xy[:, 1]).mean())


def _best_of(mask: Flags, xy: Floats, shifts: Floats) -> float:
    """The greatest share of points that any of the shifts brings onto a mask."""
    parts = np.array_split(shifts, 1 + len(shifts) * len(xy) // 2_000_000)
    return max(float(_hits(mask, xy[None, :, :] + part[:, None, :]).mean(axis=1).max()) for part in parts)


def _others(vector: Floats) -> Floats:
    """Every other shift that is tried, (S, 2) metres: a raster of the disc, without what lies next to the offset itself."""
    reach = _REACH * float(np.hypot(*vector))
    at = np.arange(-reach, reach + 1, 2.5 * _CELL_M)
    grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    aside = np.hypot(*(grid - vector).T) > _ASIDE_M
    return np.asarray(grid[aside & (np.hypot(*grid.T) <= reach)])


def _ring(vector: Floats) -> Floats:
    """Shifts of the same size in other directions, and of half and one and a half times its size in its own, (S, 2) metres."""
    angles = np.radians(np.arange(45.0, 316.0, 15.0))
    turned = np.column_stack(
        [
            vector[0] * np.cos(angles) - vector[1] * np.sin(angles),
            vector[0] * np.sin(angles) + vector[1] * np.cos(angles),
        ]
    )
    return np.concatenate([turned, [0.5 * vector, 1.5 * vector]])


def _misfit(blamed: _Layer, against: _Layer, datum: Offset, before: float, after: float) -> Misfit:
    lon, lat = blamed.points.T
    to_lon, to_lat = from_wgs84(lon, lat, datum=datum)
    bearing, _, length = pyproj.Geod(ellps="WGS84").inv(lon, lat, to_lon, to_lat)
    return Misfit(
        blamed.table, blamed.zh, blamed.en, against.zh, against.en, datum, before, after,
        float(np.median(length)), float(np.median(np.asarray(bearing)) % 360),
    )  # fmt: skip
