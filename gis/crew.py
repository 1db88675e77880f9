"""Who carried what, who was on duty, who answers for what: the roster of one local day, as intervals in UTC milliseconds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.calendar import Interval, day_bounds, duty_intervals, intersect, subtract, total_ms, union
from gis.model import MODES, Mode
from gis.silence import Heard, Silence, device_spans, heard_spans, silences_of
from gis.stillness import long_stays, stays_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from gis.model import Fixes
    from gis.standard import Standard

_FAR = 2**62


def column_ms(frame: pd.DataFrame, name: str, missing: int) -> list[int]:
    """A time column as UTC milliseconds; `missing` where it is empty or absent."""
    if name not in frame.columns:
        return [missing] * len(frame)
    times = pd.to_datetime(frame[name], utc=True).astype("datetime64[ms, UTC]")
    values = times.astype("int64").to_numpy().copy()
    values[times.isna().to_numpy()] = missing
    return [int(v) for v in values]


def stamp(ms: npt.NDArray[np.int64] | npt.NDArray[np.float64], missing: int | None = None) -> pd.Series[pd.Timestamp]:
    """UTC milliseconds as a tz-aware column; `missing` becomes no time."""
    values = pd.Series(ms.astype(np.int64).astype("datetime64[ms]"))
    if missing is not None:
        values = values.mask(ms == missing)
    return values.dt.tz_localize("UTC")


def column_text(frame: pd.DataFrame, name: str) -> list[str]:
    """A text column; empty text where it is empty or absent."""
    if name not in frame.columns:
        return [""] * len(frame)
    column = frame[name].astype(object)
    values = column.where(column.notna(), "").tolist()
    return [v if type(v) is str else str(v) for v in values]


@dataclass(frozen=True, slots=True)
class Person:
    """One person on the day of the audit. Intervals are disjoint and sorted.

    Attributes:
        duty: when a pass counts: duty times within validity, leave taken off.
        watch: when silence is a doubt, likewise.
        rostered: duty times with leave left in.
        leave: intervals of leave with the substitute's id (empty: none named).
    """

    person_id: str
    name: str
    role: str
    unit_id: str
    town_id: str
    duty: tuple[Interval, ...]
    watch: tuple[Interval, ...]
    rostered: tuple[Interval, ...]
    leave: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Carry:
    """One person carries one device for a while."""

    device_id: str
    person_ix: int
    start_ms: int
    end_ms: int
    mode: int


@dataclass(frozen=True, slots=True)
class Loose:
    """A device that nobody carried that day and that counts as patrol all the same.

    Attributes:
        mode: how it moves.
        silences: stretches of the local day in which it was not heard.
        limit_ms: shorter ones are the wait for its next fix.
    """

    device_id: str
    mode: int
    silences: tuple[Silence, ...] = ()
    limit_ms: int = 0


@dataclass(frozen=True, slots=True)
class Duty:
    """A person answers for a target for a while; `stands_in`: only in the place of somebody on leave, not named for it."""

    target_kind: str
    target_id: str
    duty_kind: str
    person_ix: int
    start_ms: int
    end_ms: int
    stands_in: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Crew:
    """The roster of one local day.

    Attributes:
        start_ms, end_ms: bounds of the local day.
        persons: sorted by person_id; person_ix points here.
        carries: sorted by (device_id, start, person); clipped to the day.
        duties: who answers for what, in the order of the table.
        unassigned_modes: modes whose devices count although nobody carried them; empty: none.
        silent: silent intervals of each person (within `watch`), filled by `with_fixes`.
        observed: observed intervals of each person (within `duty`), filled by `with_fixes`.
        silences: the silent intervals with where each began and ended, filled by `with_fixes`.
        motionless: the silences of each person with the stretches in which every device of theirs that was heard lay still for
            `measure.motionless_s` or longer taken for silent too, filled by `with_fixes`; empty: as the silences.
        blind: not a single fix of anybody that day: nothing can be called missed.
        heard: devices with positions that day, filled by `with_fixes`; None: not known.
        loose: those of them that nobody carried and that count, filled by `with_fixes`, by id.
    """

    start_ms: int
    end_ms: int
    persons: tuple[Person, ...]
    carries: tuple[Carry, ...]
    duties: tuple[Duty, ...]
    unassigned_modes: frozenset[int] = frozenset()
    silent: tuple[tuple[Interval, ...], ...] = ()
    observed: tuple[tuple[Interval, ...], ...] = ()
    index: Mapping[str, int] = field(default_factory=dict)
    blind: bool = False
    silences: tuple[tuple[Silence, ...], ...] = ()
    motionless: tuple[tuple[Silence, ...], ...] = ()
    heard: frozenset[str] | None = None
    loose: tuple[Loose, ...] = ()

    def unobserved(self) -> Crew:
        """The crew with motionless devices taken for silent ones: neither says where its bearer was. Itself where none lay still."""
        if not self.motionless or self.motionless == self.silences:
            return self
        silent = tuple(tuple((s.start_ms, s.end_ms) for s in of) for of in self.motionless)
        return replace(self, silent=silent, silences=self.motionless)

    def carried(self) -> frozenset[str]:
        """Ids of the devices that somebody carried at some time of the day."""
        return frozenset(c.device_id for c in self.carries)

    def of_roles(self, roles: Iterable[str]) -> list[int]:
        """Persons of some roles."""
        wanted = set(roles)
        return [i for i, p in enumerate(self.persons) if p.role in wanted]


def build_crew(
    day: date,
    zone: ZoneInfo,
    standard: Standard,
    *,
    persons: pd.DataFrame,
    devices: pd.DataFrame,
    assignments: pd.DataFrame,
    responsibilities: pd.DataFrame,
    exceptions: pd.DataFrame,
    unassigned_modes: Iterable[Mode] = (),
) -> Crew:
    """The roster of a local day from the stored tables `persons`, `devices`, `assignments`, `responsibilities`, `exceptions`.

    Raises:
        SettingsError: duty times of a person are no periods.
    """
    start, end = day_bounds(day, zone)
    leaves = _leaves(exceptions)
    people = _people(day, zone, standard, persons, leaves)
    index = {p.person_id: i for i, p in enumerate(people)}
    return Crew(
        start_ms=start,
        end_ms=end,
        persons=people,
        carries=_carries(devices, assignments, index, (start, end)),
        duties=_duties(responsibilities, people, index, (start, end)),
        unassigned_modes=frozenset(int(m) for m in unassigned_modes),
        silent=tuple(() for _ in people),
        observed=tuple(() for _ in people),
        silences=tuple(() for _ in people),
        index=index,
    )


def _leaves(exceptions: pd.DataFrame) -> dict[str, list[tuple[int, int, str]]]:
    """Leave of each person: exceptions whose target is a person."""
    out: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    rows = zip(
        column_text(exceptions, "target_kind"), column_text(exceptions, "target_id"), column_ms(exceptions, "starts", -_FAR),
        column_ms(exceptions, "ends", _FAR), column_text(exceptions, "substitute_id"), strict=True,
    )  # fmt: skip
    for kind, target, start, end, substitute in rows:
        if kind == "person" and end > start:
            out[target].append((start, end, substitute))
    return {k: sorted(v) for k, v in out.items()}


def _people(
    day: date,
    zone: ZoneInfo,
    standard: Standard,
    persons: pd.DataFrame,
    leaves: Mapping[str, list[tuple[int, int, str]]],
) -> tuple[Person, ...]:
    text = {c: column_text(persons, c) for c in ("person_id", "name", "role", "unit_id", "town_id", "duty")}
    valid = list(zip(column_ms(persons, "valid_from", -_FAR), column_ms(persons, "valid_to", _FAR), strict=True))
    bounds = day_bounds(day, zone)
    cache: dict[tuple[str, str, str, bool], list[Interval]] = {}
    out: dict[str, Person] = {}
    for i in sorted(range(len(persons)), key=lambda i: (text["person_id"][i], valid[i])):
        held = intersect([valid[i]], [bounds])
        if not held:
            continue
        role, unit, own = text["role"][i], text["unit_id"][i], text["duty"][i]
        spans = []
        for watch in (False, True):
            key = (role, unit, own, watch)
            if key not in cache:
                cache[key] = duty_intervals(standard, day, zone, role=role, unit=unit, own=own, watch=watch)
            spans.append(intersect(cache[key], held))
        pid = text["person_id"][i]
        leave = leaves.get(pid, [])
        away = union((s, e) for s, e, _ in leave)
        out[pid] = Person(
            pid, text["name"][i], role, unit, text["town_id"][i],
            tuple(subtract(spans[0], away)), tuple(subtract(spans[1], away)), tuple(spans[1]), tuple(leave),
        )  # fmt: skip
    return tuple(out[k] for k in sorted(out))


def device_modes(devices: pd.DataFrame, assignments: pd.DataFrame) -> dict[str, Mode]:
    """How each device of the roster moves: what it is carried on goes before what it is.

    Args:
        devices: table `devices` (device_id, mode).
        assignments: table `assignments` (device_id, mode or missing).
    """
    modes = {d: MODES[m] for d, m in zip(devices["device_id"], devices["mode"], strict=True)} if len(devices) else {}
    carried = assignments.dropna(subset=["mode"]) if len(assignments) else pd.DataFrame(columns=["device_id", "mode"])
    return modes | {d: MODES[m] for d, m in zip(carried["device_id"], carried["mode"], strict=True) if m in MODES}


def mode_of(text: str, default: int = int(Mode.FOOT)) -> int:
    """Mode of a text such as `ebike`; the default where it is empty or unknown."""
    return int(Mode[text.upper()]) if text.upper() in Mode.__members__ else default


def _carries(
    devices: pd.DataFrame, assignments: pd.DataFrame, index: Mapping[str, int], bounds: Interval
) -> tuple[Carry, ...]:
    modes = dict(zip(column_text(devices, "device_id"), column_text(devices, "mode"), strict=True))
    rows = zip(
        column_text(assignments, "device_id"), column_text(assignments, "person_id"), column_text(assignments, "mode"),
        column_ms(assignments, "valid_from", -_FAR), column_ms(assignments, "valid_to", _FAR), strict=True,
    )  # fmt: skip
    out = set()
    for device, person, mode, start, end in rows:
        s, e = max(start, bounds[0]), min(end, bounds[1])
        if person in index and s < e:
            out.add(Carry(device, index[person], s, e, mode_of(mode or modes.get(device, ""))))
    return tuple(sorted(out, key=lambda c: (c.device_id, c.start_ms, c.person_ix, c.end_ms, c.mode)))


def _duties(
    responsibilities: pd.DataFrame, people: Sequence[Person], index: Mapping[str, int], bounds: Interval
) -> tuple[Duty, ...]:
    rows = zip(
        column_text(responsibilities, "person_id"), column_text(responsibilities, "duty_kind"),
        column_text(responsibilities, "target_kind"), column_text(responsibilities, "target_id"),
        column_ms(responsibilities, "valid_from", -_FAR), column_ms(responsibilities, "valid_to", _FAR), strict=True,
    )  # fmt: skip
    out: dict[Duty, None] = {}
    for person, duty_kind, target_kind, target, start, end in rows:
        s, e = max(start, bounds[0]), min(end, bounds[1])
        if person in index and target and s < e:
            for ix, a, b in _substituted(index[person], s, e, people, index, 0):
                out[Duty(target_kind, target, duty_kind, ix, a, b, stands_in=ix != index[person])] = None
    return tuple(out)


def _substituted(
    ix: int, start: int, end: int, people: Sequence[Person], index: Mapping[str, int], depth: int
) -> list[tuple[int, int, int]]:
    """Who really answers: the person, and the substitute during leave (whose own leave is followed a few steps)."""
    out = [(ix, start, end)]
    for s, e, substitute in people[ix].leave:
        a, b = max(s, start), min(e, end)
        if a < b and substitute in index and depth < 4:  # noqa: PLR2004 (a longer chain is a circle)
            out += _substituted(index[substitute], a, b, people, index, depth + 1)
    return out


# --- what the positions say of people ---
def with_fixes(crew: Crew, fixes: Fixes, standard: Standard) -> Crew:
    """The crew with what its fixes say: observed time (within duty) and silent time (within watch) of each person.

    A person is observed while any device that they carry is heard, and silent for every other stretch of the watch longer than the
    silence limit of their devices (shorter ones are the wait for the next fix). For `Crew.motionless` long stays are taken out of what
    was heard.
    """
    settings = standard.measure
    least_ms = round(settings.silence_s.value * 1000)
    first, last, limits = device_spans(
        fixes, silence_s=settings.silence_s.value, silence_medians=settings.silence_medians.value
    )
    heard = heard_spans(fixes, first, last)
    limit_of = dict(zip(fixes.devices, limits.tolist(), strict=True))
    moving = _while_moving(heard, fixes, standard)
    limit_ms = [least_ms] * len(crew.persons)
    for carry in crew.carries:
        limit_ms[carry.person_ix] = max(limit_ms[carry.person_ix], limit_of.get(carry.device_id, least_ms))
    by_person = _of_persons(crew, heard)
    observed, silences = [], []
    for i, person in enumerate(crew.persons):
        known = union((s.start_ms, s.end_ms) for s in by_person.get(i, []))
        observed.append(tuple(intersect(known, person.duty)))
        silences.append(_unheard(person, by_person.get(i, []), limit_ms[i]))
    motionless = silences
    if moving is not heard:
        spans = _of_persons(crew, moving)
        motionless = [_unheard(p, spans.get(i, []), limit_ms[i]) for i, p in enumerate(crew.persons)]
    silent = tuple(tuple((s.start_ms, s.end_ms) for s in of) for of in silences)
    return replace(
        crew, silent=silent, observed=tuple(observed), silences=tuple(silences), motionless=tuple(motionless), blind=not len(fixes.t_ms),
        heard=frozenset(fixes.devices[i] for i in np.unique(fixes.device_ix).tolist()),
        loose=_loose(crew, fixes, heard, limit_of),
    )  # fmt: skip


def _of_persons(crew: Crew, heard: Mapping[str, Sequence[Heard]]) -> dict[int, list[Heard]]:
    """When the devices of each person were heard while they carried them."""
    out: dict[int, list[Heard]] = defaultdict(list)
    for carry in crew.carries:
        for span in heard.get(carry.device_id, []):
            if min(span.end_ms, carry.end_ms) > max(span.start_ms, carry.start_ms):
                out[carry.person_ix].append(span.clipped(carry.start_ms, carry.end_ms))
    return out


def _unheard(person: Person, spans: Sequence[Heard], limit_ms: int) -> tuple[Silence, ...]:
    """What of a person's watch none of the spans holds, where it is longer than the silence limit of their devices."""
    known = union((s.start_ms, s.end_ms) for s in spans)
    return silences_of([g for g in subtract(person.watch, known) if g[1] - g[0] > limit_ms], spans)


def _while_moving(
    heard: Mapping[str, Sequence[Heard]], fixes: Fixes, standard: Standard
) -> Mapping[str, Sequence[Heard]]:
    """When devices were heard and did not lie still for long; the argument itself where none did, or the standard names no limit."""
    settings = standard.measure
    if settings.motionless_s is None:
        return heard
    still = long_stays(stays_of(fixes), round(settings.motionless_s.value * 1000))
    if not still:
        return heard
    out = {device: list(spans) for device, spans in heard.items()}
    for device, start_ms, end_ms, x, y in still:
        spans = out.get(device, [])
        out[device] = [
            part
            for i, span in enumerate(spans)
            for part in span.without(start_ms, end_ms, x, y, opening=not i and span.start_ms == start_ms)
        ]
    return out


def with_devices(crew: Crew, modes: Mapping[str, int]) -> Crew:
    """The crew with which devices were heard, and how each moves, where nothing more is asked of their fixes."""
    carried = crew.carried()
    loose = [Loose(d, int(m)) for d, m in sorted(modes.items()) if d not in carried and int(m) in crew.unassigned_modes]
    return replace(crew, heard=frozenset(modes), loose=tuple(loose), blind=not modes)


def _loose(
    crew: Crew, fixes: Fixes, heard: Mapping[str, Sequence[Heard]], limit_of: Mapping[str, int]
) -> tuple[Loose, ...]:
    """The devices that nobody carried and that count, with when each was not heard."""
    carried, day = crew.carried(), [(crew.start_ms, crew.end_ms)]
    out = []
    for device, mode in zip(fixes.devices, fixes.mode.tolist(), strict=True):
        spans = heard.get(device, [])
        if device not in carried and mode in crew.unassigned_modes and spans:
            gaps = subtract(day, union((s.start_ms, s.end_ms) for s in spans))
            out.append(Loose(device, mode, silences_of(gaps, spans), limit_of[device]))
    return tuple(sorted(out, key=lambda x: x.device_id))


# --- arrays for the kernels ---
@dataclass(frozen=True, slots=True, eq=False)
class DeviceTime:
    """When the passes of a device count, per set of roles; interval lists in CSR form.

    Attributes:
        ptr: int64 (R x D + 1,), intervals of role set r and device d are ptr[r x D + d] to the next one.
        start_ms, end_ms: int64, disjoint and sorted within a device.
    """

    ptr: npt.NDArray[np.int64]
    start_ms: npt.NDArray[np.int64]
    end_ms: npt.NDArray[np.int64]


def _csr(lists: Sequence[Sequence[tuple[int, ...]]], width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    ptr = np.concatenate(([0], np.cumsum([len(x) for x in lists]))).astype(np.int64)
    flat: list[Any] = [row for part in lists for row in part]
    return ptr, np.array(flat, dtype=np.int64).reshape(-1, width)


def entitled_time(
    crew: Crew, devices: Sequence[str], modes: npt.NDArray[np.int8], role_sets: Sequence[frozenset[str]]
) -> DeviceTime:
    """When each device counts for each set of roles: carried by a person of such a role on duty. Two people with one phone count once.

    A device that nobody carried that day counts all day where its mode is among the crew's unassigned modes.
    """
    known = crew.carried()
    own: dict[str, list[Carry]] = defaultdict(list)
    for carry in crew.carries:
        own[carry.device_id].append(carry)
    lists: list[list[Interval]] = []
    for roles in role_sets:
        for device, mode in zip(devices, modes.tolist(), strict=True):
            if device not in known:
                lists.append([(crew.start_ms, crew.end_ms)] if mode in crew.unassigned_modes else [])
                continue
            spans: list[Interval] = []
            for c in own[device]:
                person = crew.persons[c.person_ix]
                if person.role in roles:
                    spans += intersect(person.duty, [(c.start_ms, c.end_ms)])
            lists.append(union(spans))
    ptr, flat = _csr(lists, 2)
    return DeviceTime(ptr, flat[:, 0].copy(), flat[:, 1].copy())


def carried_time(
    crew: Crew, devices: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Who carried each device on duty: ptr (D + 1), person_ix, start_ms, end_ms (all int64), sorted within a device."""
    own: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for c in crew.carries:
        own[c.device_id] += [
            (c.person_ix, s, e) for s, e in intersect(crew.persons[c.person_ix].duty, [(c.start_ms, c.end_ms)])
        ]
    ptr, flat = _csr([sorted(own.get(d, [])) for d in devices], 3)
    return ptr, flat[:, 0].copy(), flat[:, 1].copy(), flat[:, 2].copy()


def overlap_ms(spans: Sequence[Interval], pieces: Sequence[Interval]) -> int:
    """Time that two lists of disjoint sorted intervals share."""
    return total_ms(intersect(spans, pieces))
