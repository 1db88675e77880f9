"""Stored passes with what the audit made of each (`gis.pass_accounts`), as far as anybody may see them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.stored_passes import as_passes, stored_network
from gis.coverage import Strokes
from gis.crew import build_crew, device_modes
from gis.model import Passes
from gis.pass_accounts import Why, day_accounts, road_accounts
from gis.strokes import judged_pace, strokes_of

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from dashboards.scope import ScopedStore
    from dashboards.stored_passes import Counting
    from gis.crew import Crew
    from layers.store.base import Run, Store

ROSTER = ("persons", "devices", "assignments", "responsibilities", "exceptions")
COLUMNS = (
    "segment_id", "device_id", "from_mm", "to_mm", "enter_ms", "leave_ms", "seen", "confidence", "moved_mm", "took_ms", "why", "in_part",
    "roles",
)  # fmt: skip
_MM_PER_M = 1000.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which passes are asked for, and under which rule.

    Attributes:
        sections: under the road rule of each section, in one of its windows (`window_ix`), or in any (None).
        segments: under a rule that counts passes of the whole day, whose roles are `roles`.
    """

    sections: Collection[str] = ()
    window_ix: int | None = None
    segments: Collection[str] = ()
    roles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPasses:
    """Passes as people may read them.

    Attributes:
        rows: segment_id, device_id (for roles that see tracks), from_mm, to_mm, enter_ms, leave_ms, seen, confidence, moved_mm and took_ms
            (what the speed was judged by), why (bits of `gis.pass_accounts.Why`, 0: counted), in_part, roles (of the carriers on duty,
            joined by `;`); by time.
        off_duty: passes of devices that nobody on duty carried, which are not shown.
    """

    rows: pd.DataFrame
    off_duty: int


def no_passes() -> JudgedPasses:
    """None at all."""
    return JudgedPasses(pd.DataFrame({c: [] for c in COLUMNS}), 0)


def judged(
    whole: ScopedStore, store: Store, run: Run, counting: Counting, asked: Asked, segment_ids: frozenset[str],
    span: tuple[int | None, int | None],
) -> JudgedPasses:  # fmt: skip
    """Passes on some segments within a time, judged by all passes of their devices and by the roster of the whole county."""
    day = run.day
    segments, sections = whole.read("segments", day), whole.read("sections", day)
    mine = segments["segment_id"].isin(list(segment_ids)).to_numpy(dtype=bool)
    here = store.passes(run.run_id, segment_ix=np.flatnonzero(mine).tolist(), from_ms=span[0], to_ms=span[1])
    devices = sorted(set(here["device_id"].to_pylist()))
    if not devices:
        return no_passes()
    table = store.passes(run.run_id, device_ids=devices)
    modes = device_modes(whole.read("devices", day), whole.read("assignments", day))
    passes = as_passes(table, table["segment_ix"].to_numpy(), modes, counting.default)
    network = stored_network(segments, sections)
    paces = judged_pace(passes, counting.standard)
    strokes = strokes_of(network, passes, counting.standard, paces=paces)
    kept = mine[passes.segment_ix]
    kept &= (span[1] is None or passes.enter_ms < span[1]) & (span[0] is None or passes.leave_ms >= span[0])
    rows = np.flatnonzero(kept)
    on = np.unique(strokes.section[rows])
    part = _rows_of(passes, rows, Passes)
    stroke = _rows_of(strokes, rows, Strokes, section=np.searchsorted(on, strokes.section[rows]).astype(np.int32))
    ground: Any = SimpleNamespace(sections=sections.iloc[on].reset_index(drop=True))
    given = {"strokes": stroke, "paces": (paces[0][rows], paces[1][rows])}
    crew = _crew(whole, run, counting)
    if asked.roles is None:
        roads = road_accounts(ground, part, crew, counting.standard, day, counting.zone, **given)
        accounts, of_window = roads.accounts, None if asked.window_ix is None else roads.rows(asked.window_ix)
    else:
        accounts, of_window = day_accounts(ground, part, crew, counting.standard, asked.roles, **given), None
    frame = pd.DataFrame(
        {
            "segment_id": segments["segment_id"].to_numpy(dtype=object)[part.segment_ix],
            "device_id": np.array(part.devices, dtype=object)[part.device_ix],
            **_on_duty(part, accounts.on_ms, accounts.off_ms),
            "seen": part.seen, "confidence": part.confidence, "moved_mm": accounts.moved_mm, "took_ms": accounts.took_ms,
            "why": accounts.why(of_window), "in_part": accounts.in_part(of_window), "roles": accounts.roles,
        }
    )  # fmt: skip
    off = (frame["why"].to_numpy() & int(Why.OFF_DUTY)) > 0
    shown = frame[~off].sort_values(["enter_ms", "segment_id", "from_mm"], kind="stable", ignore_index=True)
    return JudgedPasses(shown, int(off.sum()))


def _rows_of(table: Any, rows: npt.NDArray[np.int64], kind: type, **given: Any) -> Any:
    """Some rows of arrays side by side."""
    plain = {"devices", "mode"}
    taken = {f.name: getattr(table, f.name) if f.name in plain else getattr(table, f.name)[rows] for f in fields(kind)}
    return kind(**taken | given)


def _on_duty(passes: Passes, on_ms: npt.NDArray[np.int64], off_ms: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Where and when each pass was while its device was on duty, interpolated linearly as the audit does."""
    enter, leave = np.clip(on_ms, passes.enter_ms, passes.leave_ms), np.clip(off_ms, passes.enter_ms, passes.leave_ms)
    took, way = np.maximum(passes.leave_ms - passes.enter_ms, 1), passes.to_mm.astype(np.int64) - passes.from_mm

    def at(moment: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.where(
            moment >= passes.leave_ms, passes.to_mm, passes.from_mm + np.rint(way * ((moment - passes.enter_ms) / took)).astype(np.int64)
        )  # fmt: skip

    start = np.where(enter <= passes.enter_ms, passes.from_mm, at(enter))
    return {"from_mm": start, "to_mm": at(leave), "enter_ms": enter, "leave_ms": leave}


def _crew(whole: ScopedStore, run: Run, counting: Counting) -> Crew:
    """The roster of the county that day, kept by its editions."""
    day = run.day
    key = ("crew", str(day), run.standard_edition, counting.unassigned, *(whole.edition_id(t, day) for t in ROSTER))

    def make() -> Crew:
        tables: dict[str, Any] = {t: whole.read(t, day) for t in ROSTER}
        return build_crew(day, counting.zone, counting.standard, **tables, unassigned_modes=counting.unassigned)

    return whole.remember(key, make, lambda crew: 2000 * len(crew.persons) + 10_000)


def speed_kmh(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The speed by which each pass was judged; NaN where it took no time."""
    seconds = rows["took_ms"].to_numpy(dtype=float) / 1000
    metres = rows["moved_mm"].to_numpy(dtype=float) / _MM_PER_M
    return np.where(seconds > 0, metres / np.where(seconds > 0, seconds, 1.0) * 3.6, np.nan)
