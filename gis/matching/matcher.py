"""The matcher: built once per network, then fixes in, passes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gis.matching.kernel import Rules, make_states
from gis.matching.paths import Arcs, Table, make_arcs, make_scratch, make_table
from gis.matching.plan import make_grid, make_plan
from gis.matching.run import observe, run
from gis.matching.settings import MatchSettings
from gis.matching.trace import Judgement, Out, make_legs, make_out
from gis.model import Fixes, Mode, Passes

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import RoadGraph

_STAY_M = 50.0  # fixes of one stay lie within this of their running mean


def _medians(fixes: Fixes) -> npt.NDArray[np.int64]:
    """Median interval of each device between consecutive fixes of its tracks, ms; 0 where it has fewer than two."""
    kept = fixes.track_ix >= 0
    dev, t = fixes.device_ix[kept], fixes.t_ms[kept]
    step = np.diff(t)
    same = dev[1:] == dev[:-1]
    out = np.zeros(len(fixes.devices), np.int64)
    if not same.any():
        return out
    owner, step = dev[1:][same], step[same]
    order = np.lexsort((step, owner))
    owner, step = owner[order], step[order]
    ptr = np.searchsorted(owner, np.arange(len(out) + 1))
    has = ptr[1:] > ptr[:-1]
    out[has] = step[(ptr[:-1] + (ptr[1:] - ptr[:-1]) // 2)[has]]
    return out


class Matcher:
    """Matches fixes to a road graph by a hidden Markov model over a bounded table of shortest paths.

    Built once per network: a grid index, and one table of paths for those whom one-way streets bind and one for those whom they do
    not (each made when first needed). It holds no state of what it matched, so that one matcher serves many threads.
    """

    def __init__(
        self,
        graph: RoadGraph,
        *,
        settings: MatchSettings | None = None,
        preference: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Indexes the graph.

        Args:
            graph: the road graph.
            settings: the defaults where None.
            preference: float32 (S,), multiplies the length of a segment where a path is chosen (1 neutral, less preferred).
        """
        self.graph = graph
        self.settings = settings or MatchSettings()
        self.plan = make_plan(graph)
        self._preference = None if preference is None else np.asarray(preference, np.float32)[self.plan.source_seg]
        self._near = make_grid(self.plan, radius_m=self.settings.near_m, cell_m=self.settings.near_m)
        self._far = make_grid(self.plan, radius_m=self.settings.far_m, cell_m=self.settings.far_m / 2)
        self._paths: dict[bool, tuple[Arcs, Table]] = {}

    def prepare(self, modes: tuple[Mode, ...] = tuple(Mode)) -> Matcher:
        """Makes the tables of paths that these modes need, which otherwise happens at first use."""
        for mode in modes:
            self._paths_for(mode)
        return self

    def _paths_for(self, mode: Mode) -> tuple[Arcs, Table]:
        binds = self.settings.oneway_binds[mode]
        if binds not in self._paths:
            arcs = make_arcs(self.plan, oneway=binds, preference=self._preference)
            self._paths[binds] = (arcs, make_table(arcs, bound_m=self.settings.table_m))
        return self._paths[binds]

    def _rules(self, mode: Mode) -> Rules:
        s = self.settings
        return Rules(
            s.candidates, s.far_m, s.sigma_m, s.sigma_floor_m, s.sigma_cap_m, s.sigma_prior, s.beta_m, s.beta_sigma, s.beta_share,
            s.huber,
            s.uturn_m, int(s.back_m * 1000), s.speed_mps[mode], s.search_factor, s.search_m, s.short, s.beam,
            s.margin, s.oneway_binds[mode], s.near_sigma, int(s.near_s * 1000),
        )  # fmt: skip

    def match(self, fixes: Fixes) -> Passes:
        """Passes of all tracks; the fixes must be in the CRS of the graph."""
        s = self.settings
        x, y, t_in, t_out, of, begins = observe(fixes.t_ms, fixes.x, fixes.y, fixes.flags, fixes.track_ix, _STAY_M)
        kept = fixes.track_ix >= 0
        owner = np.zeros(int(fixes.track_ix.max(initial=-1)) + 1, np.int32)  # device of a track
        owner[fixes.track_ix[kept]] = fixes.device_ix[kept]
        device = owner[of[begins[:-1]]] if len(of) else owner[:0]
        gap_ms = np.maximum(int(s.seen_gap_s * 1000), (s.seen_factor * _medians(fixes)).astype(np.int64))[device]
        longest = int(np.diff(begins).max(initial=1))
        states = make_states(longest, s.candidates)
        work = make_scratch(self.graph.node_count, 2 * self.graph.segment_count)
        legs = make_legs(self.graph.node_count)
        out = make_out(2 * len(x) + 1024)
        for mode in Mode:
            wanted = fixes.mode[device] == mode
            if not wanted.any():
                continue
            arcs, table = self._paths_for(mode)
            judge = Judgement(0, int(s.unique_m * 1000), s.unique_share, int(s.pass_s * 1000), int(s.back_m * 1000))
            done = 0
            while True:
                done = run(
                    self.plan, self._near, self._far, arcs, table, work, states, self._rules(mode), gap_ms, judge, legs,
                    x, y, t_in, t_out, of, begins, wanted, done, out,
                )  # fmt: skip
                if done == len(begins) - 1:
                    break
                out = _grown(out, 2 * len(out.seg) + self.graph.node_count)
        return self._passes(out, fixes, owner)

    def _passes(self, out: Out, fixes: Fixes, owner: npt.NDArray[np.int32]) -> Passes:
        """Canonical rows back in the graph's segments and directions, sorted."""
        n = int(out.size[0])
        seg, track = out.seg[:n], out.track[:n]
        flip, length = self.plan.flipped[seg], self.plan.length_mm[seg]
        source = self.plan.source_seg[seg]
        begin, end = (np.where(flip, length - c[:n], c[:n]).astype(np.int32) for c in (out.from_mm, out.to_mm))
        device = owner[track].astype(np.int32) if n else np.zeros(0, np.int32)
        order = np.lexsort((begin, source, out.leave[:n], out.enter[:n], device))
        return Passes(
            source[order], begin[order], end[order], out.enter[:n][order], out.leave[:n][order], device[order], track[order],
            out.first[:n][order], out.last[:n][order], out.seen[:n][order], out.sure[:n][order], fixes.devices, fixes.mode,
        )  # fmt: skip


def _grown(out: Out, rows: int) -> Out:
    wider = make_out(rows)
    n = int(out.size[0])
    for field in Out._fields[:-1]:
        getattr(wider, field)[:n] = getattr(out, field)[:n]
    wider.size[0] = n
    return wider
