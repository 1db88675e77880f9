"""What the audit made of each pass: counted or not, each reason, and the speed judged; from the arrays that it counts with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

from gis import coverage
from gis.coverage import COUNTS, SLOW
from gis.crew import entitled_time
from gis.road_plan import plan_roads, road_pieces
from gis.rounds_ground import whole_day
from gis.strokes import judged_pace, strokes_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from gis.coverage import Pieces, Strokes
    from gis.crew import Crew
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]


class Why(IntFlag):
    """Why a pass does not count; none of them: it counts."""

    COUNTED = 0
    NOBODY = 1  # nobody carried its device that day, and the city does not count such devices
    OFF_DUTY = 2  # its device was carried that day, at that time by nobody on duty
    ROLE = 4  # whoever carried it on duty has a role that the rule does not name
    OUTSIDE = 8  # entitled, but in no window (or not in the one asked)
    TOO_FAST = 16
    INFERRED = 32
    NO_RULE = 64  # no rule asks for patrols of the place that day


@dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """Of P passes.

    Attributes:
        strokes: the passes as the audit counts them.
        pieces: what of them lies in a window and in the time in which their device counts, as the audit cut them.
        moved_mm, took_ms: int64 (P,), way and time by which the speed was judged.
        general: int (P,), bits of `Why` but for OUTSIDE.
        roles: object (P,), roles of those who carried the device on duty during the pass, joined by `;`.
        on_ms, off_ms: int64 (P,), first and last moment of the pass at which its device was on duty; on_ms > off_ms where it never was.
    """

    strokes: Strokes
    pieces: Pieces
    moved_mm: I8
    took_ms: I8
    general: npt.NDArray[np.int64]
    roles: npt.NDArray[np.object_]
    on_ms: I8
    off_ms: I8

    def counted_pieces(self) -> npt.NDArray[np.bool_]:
        """Which pieces count: those that coverage unites."""
        flags = self.strokes.flags[self.pieces.stroke]
        counted: npt.NDArray[np.bool_] = (flags & (COUNTS | SLOW)) == (COUNTS | SLOW)
        return counted

    def why(self, rows: Sequence[int] | I8 | None = None) -> npt.NDArray[np.int64]:
        """Bits of `Why` of each pass, in some result rows of the audit (None: in any)."""
        inside = self.pieces.row >= 0 if rows is None else np.isin(self.pieces.row, np.asarray(rows, dtype=np.int64))
        held = _hit(self.pieces.stroke[inside], len(self.general))
        barred = (self.general & int(Why.NOBODY | Why.OFF_DUTY | Why.ROLE | Why.NO_RULE)) > 0
        return self.general | np.where(~held & ~barred, int(Why.OUTSIDE), 0)

    def in_part(self, rows: Sequence[int] | I8 | None = None) -> npt.NDArray[np.bool_]:
        """Which passes count for a part of their time only: the rest is off duty or in another window."""
        inside = self.pieces.row >= 0 if rows is None else np.isin(self.pieces.row, np.asarray(rows, dtype=np.int64))
        time = np.zeros(len(self.general), dtype=np.int64)
        p = self.pieces
        np.add.at(time, p.stroke[inside], (p.end_ms - p.start_ms)[inside])
        part: npt.NDArray[np.bool_] = (self.why(rows) == 0) & (time < self.strokes.leave_ms - self.strokes.enter_ms)
        return part


@dataclass(frozen=True, slots=True, eq=False)
class RoadAccounts:
    """Accounts of passes under the road rules, and section and window (int64) of each result row of the audit."""

    accounts: Accounts
    section_of_row: I8
    window_of_row: I8

    def rows(self, window_ix: int) -> I8:
        """Result rows of one window of every section."""
        return np.flatnonzero(self.window_of_row == window_ix)


def _hit(strokes: I8, passes: int) -> npt.NDArray[np.bool_]:
    hit: npt.NDArray[np.bool_] = np.bincount(strokes, minlength=passes) > 0
    return hit


def road_accounts(
    network: Network, passes: Passes, crew: Crew, standard: Standard, day: date, zone: ZoneInfo, *, strokes: Strokes | None = None,
    paces: tuple[I8, I8] | None = None,
) -> RoadAccounts:  # fmt: skip
    """What the road rules make of each pass, as `gis.frequency.road_frequency` counts it.

    Args:
        network: the sections asked for, with their measures.
        passes: on these sections; all of each device, or with `strokes` and `paces` of all.
        crew: the roster of the day.
        standard: the rules.
        day: local day.
        zone: local time zone.
        strokes: of these passes, where the pace rests on others too.
        paces: `judged_pace` of these passes, likewise.

    Raises:
        ImpossibleError: the calendar does not know the day.
    """
    strokes = strokes or strokes_of(network, passes, standard)
    plan = plan_roads(network, passes, crew, standard, day, zone)
    rules = standard.road_rules()
    role_sets = [frozenset(rules[r].roles) for r in plan.rule_ids]
    asked = np.array(plan.set_of, dtype=np.int64) >= 0
    accounts = _accounts(
        passes, crew, strokes, paces or judged_pace(passes, standard), road_pieces(strokes, plan, len(passes.devices)),
        role_sets=role_sets or [frozenset()], rule_of=np.where(asked, plan.rule_of, -1), sections=len(network.sections),
    )  # fmt: skip
    return RoadAccounts(accounts, plan.section_of_row, plan.window_of_row)


def day_accounts(
    network: Network, passes: Passes, crew: Crew, standard: Standard, roles: Sequence[str], *, strokes: Strokes | None = None,
    paces: tuple[I8, I8] | None = None,
) -> Accounts:  # fmt: skip
    """What a rule that counts passes of any hour of the day (rounds, cadences) makes of each, its roles given; pieces lie in row 0.

    Arguments as of `road_accounts`.
    """
    strokes = strokes or strokes_of(network, passes, standard)
    sections = len(network.sections)
    given = frozenset(roles)
    found = _entitled(strokes, passes, crew, given, sections)
    pieces = coverage.Pieces(
        found.stroke, np.zeros_like(found.row), found.lo_mm, found.hi_mm, found.start_ms, found.end_ms
    )
    return _accounts(
        passes, crew, strokes, paces or judged_pace(passes, standard), pieces, role_sets=[given],
        rule_of=np.zeros(sections, dtype=np.int64), sections=sections,
    )  # fmt: skip


def _entitled(strokes: Strokes, passes: Passes, crew: Crew, roles: frozenset[str], sections: int) -> Pieces:
    """Passes clipped to the day and to the time in which their device counts for some roles."""
    time = entitled_time(crew, passes.devices, passes.mode, [roles])
    return coverage.entitled_pieces(
        strokes, whole_day(sections, crew), role_of=np.zeros(sections, dtype=np.int32), ptr=time.ptr, start_ms=time.start_ms,
        end_ms=time.end_ms, devices=len(passes.devices),
    )  # fmt: skip


def _accounts(
    passes: Passes, crew: Crew, strokes: Strokes, paces: tuple[I8, I8], pieces: Pieces, *, role_sets: Sequence[frozenset[str]],
    rule_of: npt.NDArray[np.int64], sections: int,
) -> Accounts:  # fmt: skip
    size = len(strokes.section)
    everybody = sorted({p.role for p in crew.persons})
    carried = np.isin(np.array(passes.devices, dtype=object), list(crew.carried()))[strokes.device_ix]
    bits = np.zeros(size, dtype=np.int64)
    on_ms, off_ms = np.full(size, 2**62), np.full(size, -(2**62))
    for i, role in enumerate(everybody):
        mine = _entitled(strokes, passes, crew, frozenset({role}), sections)
        bits |= np.where(_hit(mine.stroke, size) & carried, 1 << i, 0)
        np.minimum.at(on_ms, mine.stroke, mine.start_ms)
        np.maximum.at(off_ms, mine.stroke, mine.end_ms)
    nobody = ~carried
    counted_so = (
        np.isin(passes.mode.astype(np.int64), list(crew.unassigned_modes))[strokes.device_ix] if size else nobody
    )
    named = np.array(
        [sum(1 << i for i, r in enumerate(everybody) if r in roles) for roles in role_sets], dtype=np.int64
    )
    rule = rule_of[strokes.section]
    general = np.asarray(
        np.where(nobody & ~counted_so, int(Why.NOBODY), 0)
        | np.where(carried & (bits == 0), int(Why.OFF_DUTY), 0)
        | np.where((bits > 0) & (rule >= 0) & (bits & named[rule] == 0), int(Why.ROLE), 0)
        | np.where((strokes.flags & SLOW) == 0, int(Why.TOO_FAST), 0)
        | np.where((strokes.flags & COUNTS) == 0, int(Why.INFERRED), 0)
        | np.where(rule < 0, int(Why.NO_RULE), 0),
        dtype=np.int64,
    )
    on_ms, off_ms = np.where(nobody, strokes.enter_ms, on_ms), np.where(nobody, strokes.leave_ms, off_ms)
    return Accounts(strokes, pieces, paces[0], paces[1], general, _role_words(bits, everybody), on_ms, off_ms)


def _role_words(bits: npt.NDArray[np.int64], roles: Sequence[str]) -> npt.NDArray[np.object_]:
    found, at = np.unique(bits, return_inverse=True)
    words = [";".join(r for i, r in enumerate(roles) if b >> i & 1) for b in found.tolist()]
    return np.array(words, dtype=object)[at] if words else np.zeros(0, dtype=object)
