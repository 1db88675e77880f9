"""Responsible sections that the roster names, such as 象山港路(建设路至丹河路), found in the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from gis.network.names import normal_name
from gis.network.pairing import project, section_axes
from gis.network.sections import Assignment
from gis.network.settings import NetworkSettings
from gis.network.stretch import PROBLEMS, Stretch, StretchFinder
from gis.network.topology import digest
from gis.network.words import StretchWords, UnresolvedError

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import Network, RoadGraph

_LEAST_MAPPED = 0.3


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One distinct stretch as the roster writes it, and as it is understood."""

    key: tuple[str, str, str]
    words: StretchWords

    @property
    def section_id(self) -> str:
        """An id that depends on the words only, not on the network or on which end is named first."""
        return "S" + digest((self.key[0], *sorted(self.key[1:])))


def _wanted(responsibilities: pd.DataFrame | None, finder: StretchFinder) -> list[_Wanted]:
    """The distinct stretches of a roster that are understood, sorted by their words."""
    if responsibilities is None:
        return []
    rows = responsibilities[(responsibilities["target_kind"] == "section") & responsibilities["road_name"].notna()]
    out: dict[tuple[str, str, str], _Wanted] = {}
    text = (
        rows[["road_name", "from_name", "to_name"]]
        .fillna("")
        .astype(str)
        .sort_values(["road_name", "from_name", "to_name"])
    )
    for row in text.drop_duplicates().itertuples(index=False):
        try:
            words = finder.words(*row)
        except UnresolvedError:
            continue
        ends = (normal_name(words.start), normal_name(words.stop))
        road = normal_name(words.road) + "".join(sorted(f"({normal_name(v)})" for v in words.via))
        key = (road, min(ends), max(ends))
        out.setdefault(key, _Wanted(key, words))
    return [out[k] for k in sorted(out)]


def declare(
    graph: RoadGraph,
    lines: npt.NDArray[np.object_],
    names: npt.NDArray[np.object_],
    free: npt.NDArray[np.bool_],
    responsibilities: pd.DataFrame | None,
    settings: NetworkSettings,
) -> Assignment:
    """Sections that the roster names; segments of none have section -1.

    A stretch is found on the whole road, then what is not `free` (out of scope) is left out of it. Of two stretches that overlap
    the shorter one stands.

    Args:
        graph: the graph.
        lines: object (S,), metric.
        names: object (S,), names of the segments.
        free: bool (S,), segments that a section may hold.
        responsibilities: the roster's table, or None.
        settings: distances; `each_side` lays the carriageways one after the other.
    """
    n = graph.segment_count
    made = Assignment(np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, bool), 0, 0)
    if responsibilities is None or not (responsibilities["target_kind"] == "section").any():
        return made
    finder = StretchFinder(graph, lines, names, settings)
    wanted = _wanted(responsibilities, finder)
    if not wanted:
        return made
    found: list[tuple[int, _Wanted, Stretch]] = []
    for want in wanted:
        try:
            stretch = finder.at(want.words)
        except UnresolvedError:
            continue
        found.append((int(graph.seg_length_mm[stretch.path].sum()), want, stretch))
    stands: list[_Wanted] = []
    lengths: list[int] = []
    for _, want, stretch in sorted(found, key=lambda f: (f[0], f[1].key)):
        reach = _lay(graph, stretch, made, free, number=len(stands), each_side=settings.each_side)
        if reach:
            stands.append(want)
            lengths.append(reach)
    _map_beside(graph, lines, made, np.array(lengths, np.int64), settings)
    made.declared = made.count = len(stands)
    made.ids = tuple(w.section_id for w in stands)
    made.from_names, made.to_names = tuple(w.words.start for w in stands), tuple(w.words.stop for w in stands)
    return made


def _lay(
    graph: RoadGraph, stretch: Stretch, made: Assignment, free: npt.NDArray[np.bool_], *, number: int, each_side: bool
) -> int:
    """Write one stretch into the assignment; the length of its measure, 0 where it cannot stand."""
    parts = [(stretch.path, stretch.forward), *(stretch.strands if each_side else ())]
    path = np.concatenate([p for p, _ in parts])
    forward = np.concatenate([f for _, f in parts])
    path, forward = path[free[path]], forward[free[path]]
    if len(path) == 0 or (made.section[path] >= 0).any():
        return 0
    stop = np.cumsum(graph.seg_length_mm[path].astype(np.int64))
    start = stop - graph.seg_length_mm[path]
    made.section[path], made.root[path] = number, True
    made.from_mm[path], made.to_mm[path] = np.where(forward, start, stop), np.where(forward, stop, start)
    beside = stretch.beside[free[stretch.beside]]
    beside = beside[made.section[beside] < 0]
    if not each_side:
        made.section[beside] = number
    return int(stop[-1])


def _map_beside(
    graph: RoadGraph,
    lines: npt.NDArray[np.object_],
    made: Assignment,
    length: npt.NDArray[np.int64],
    settings: NetworkSettings,
) -> None:
    """Give the segments beside a path their measures on it; those that hardly advance along it are let go."""
    mapped = np.flatnonzero((made.section >= 0) & ~made.root)
    if len(mapped) == 0:
        return
    axis = section_axes(graph, made.section, made.from_mm, made.to_mm, made.root, len(length))
    made.from_mm[mapped], made.to_mm[mapped] = project(lines, axis, made.section, length, mapped, settings)
    span = np.abs(made.to_mm - made.from_mm)[mapped]
    flat = mapped[span < _LEAST_MAPPED * graph.seg_length_mm[mapped]]
    made.section[flat], made.from_mm[flat], made.to_mm[flat] = -1, 0, 0


def resolve_responsibilities(
    responsibilities: pd.DataFrame, network: Network, *, settings: NetworkSettings | None = None
) -> pd.DataFrame:
    """The roster with `target_id`, `resolved` and `problem` filled for rows of target_kind section; other rows as they are.

    A row that names a section id of the network keeps it. Otherwise road_name, from_name and to_name are looked up; the network must
    have been built with the same responsibilities, so that the stretch is one of its sections.

    Args:
        responsibilities: the `responsibilities` contract.
        network: built with these responsibilities.
        settings: those that the network was built with.

    Returns:
        A copy; `problem` is Chinese with English beside it, missing where the row is resolved and names a known person.
    """
    options = settings or NetworkSettings()
    lines = metric_lines(network.graph)
    names = network.segments["road_name"].fillna("").to_numpy(dtype=object)
    finder = StretchFinder(network.graph, lines, names, options)
    known = set(network.sections["section_id"])
    out = responsibilities.copy()
    cache: dict[tuple[str, str, str], tuple[str | None, str | None]] = {}
    target, resolved, problem = (out[c].to_numpy(dtype=object).copy() for c in ("target_id", "resolved", "problem"))
    nobody = out["person_id"].isna().to_numpy() if "person_id" in out else np.zeros(len(out), dtype=bool)
    rows = out[["target_kind", "road_name", "from_name", "to_name"]].itertuples(index=False)
    for i, (kind, road, start, stop) in enumerate(rows):
        if kind != "section":
            continue
        if isinstance(target[i], str) and target[i] in known:
            resolved[i], problem[i] = True, None
            continue
        words = (_word(road), _word(start), _word(stop))
        if words not in cache:
            cache[words] = _section_at(finder, network, words)
        target[i], lost = cache[words]
        problem[i] = "；".join(p for p in (problem[i] if nobody[i] else None, lost) if isinstance(p, str)) or None
        resolved[i] = target[i] is not None
    out["target_id"] = pd.Series(target, index=out.index, dtype="str")
    out["resolved"] = resolved.astype(bool)
    out["problem"] = pd.Series(problem, index=out.index, dtype="str")
    return out


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _section_at(finder: StretchFinder, network: Network, words: tuple[str, str, str]) -> tuple[str | None, str | None]:
    """Section id and problem of one stretch."""
    try:
        stretch = finder.find(*words)
    except UnresolvedError as unresolved:
        return None, _problem(unresolved.code, unresolved.words)
    inside = network.segments["no_rule_reason"].to_numpy(dtype=object)[stretch.path] != "out_of_scope"
    rows = np.unique(network.seg_section[stretch.path[inside]] if inside.any() else network.seg_section[stretch.path])
    if len(rows) == 1 and bool(network.sections["declared"].iloc[rows[0]]):
        return str(network.sections["section_id"].iloc[rows[0]]), None
    return None, _problem("overlap", "")


def _problem(code: str, words: str) -> str:
    """Why a stretch is not found, Chinese with English beside it, and the words in question."""
    zh, en = PROBLEMS[code]
    return f"{zh}：{words} ({en})" if words else f"{zh} ({en})"


def metric_lines(graph: RoadGraph) -> npt.NDArray[np.object_]:
    """Segments as lines in the metric CRS of the graph, object (S,)."""
    owner = np.repeat(np.arange(graph.segment_count), np.diff(graph.vert_ptr))
    xy = np.column_stack([graph.vert_x, graph.vert_y])
    return np.asarray(shapely.linestrings(xy, indices=owner), dtype=object)
