"""The only reader that pages, callbacks, the API and exports get: the store as one visitor may see it.

`scoped(...)` wraps the store; everything read through it is filtered by the visitor's scope (dashboards.scope_rules), individual
tracks are refused to roles that do not need them, kept to duty time, and each reading is written to the access log.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dashboards.auth.principal import Principal, Scope, forbidden
from dashboards.journal import Journal
from dashboards.scope_live import LiveReading
from dashboards.scope_passes import JudgedPasses, judged, no_passes
from dashboards.scope_rules import ScopeKeys, impersonal, scope_keys, visible
from gis.community import named_places, place_homes
from layers.contracts import TABLES
from layers.standard_editions import Applied, applied_standard

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from dashboards.cache import Cache
    from dashboards.scope_passes import Asked
    from dashboards.stored_passes import Counting
    from gis.standard import Standard
    from layers.store.base import Edition, Live, Manifest, Run, StandardEdition, Store

T = TypeVar("T")
STANDARD_BYTES = 400_000  # of a standard in memory, about


class Duty(Protocol):
    """Who was on duty when: person_id, device_id, from_ms, to_ms (UTC, half open) of a local day."""

    def __call__(self, data: ScopedStore, day: date) -> pd.DataFrame:
        """Duty of the persons that `data` may see."""
        ...


def frame_bytes(frame: pd.DataFrame) -> int:
    """Rough memory of a frame; a geometry counts 300 bytes, a text 60."""
    objects = sum(1 for c in frame.columns if frame[c].dtype == object or "geometry" in str(frame[c].dtype))
    return int(frame.memory_usage(deep=False).sum()) + len(frame) * (300 * objects + 60)


@dataclass(frozen=True, slots=True)
class NewestLoad:
    """The newest load of positions: its name, and the day and moment (UTC ms) that a replay has reached with it."""

    load: str = ""
    replayed: str = ""
    reached_ms: int = 0


class ScopedStore(LiveReading):
    """The store as one principal sees it. Frames are shared: copy before changing one."""

    def __init__(self, store: Store, principal: Principal, cache: Cache, duty: Duty, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._cache = cache
        self._duty = duty
        self._pinned = True
        self.principal = principal

    def _whole_county(self) -> ScopedStore:
        whole = Principal(self.principal.name, "command", Scope("county"))
        return ScopedStore(self._store, whole, self._cache, self._duty, self._journal)

    # --- days, editions, runs ---
    def days(self) -> list[date]:
        """Days that have a current run, ascending."""
        return list(self._cache.brief(("days",), self._store.run_days))

    def run(self, day: date, run_id: str | None = None) -> Run | None:
        """The current run of a day, or a named one."""
        if run_id is None:
            return self._cache.brief(("run", day), lambda: self._store.current_run(day))
        return next((r for r in self._store.runs(day) if r.run_id == run_id), None)

    def runs(self, day: date | None = None) -> list[Run]:
        """All runs kept, newest first."""
        return self._store.runs(day)

    def edition_id(self, table: str, day: date) -> str | None:
        """The edition that the day's run used, or the one in force (`current`: always that; what is derived, as the evidence has it)."""
        derived = table in TABLES and TABLES[table].kind == "derived"
        held: Run | Live | None = self.run(day) if self._pinned else None
        if held is None and derived:
            held = self.evidence(day)
        if held and table in held.editions:
            return held.editions[table]
        return self._in_force(day).get(table)

    def _in_force(self, day: date) -> dict[str, str]:
        """Table → the edition in force on a day (as `Store.edition_at` says), all in one look."""

        def look() -> dict[str, str]:
            found: dict[str, Edition] = {}
            for e in self._store.editions():
                if e.valid_from <= day and (e.table not in found or e.valid_from >= found[e.table].valid_from):
                    found[e.table] = e
            return {t: e.edition_id for t, e in found.items()}

        return self._cache.brief(("in force", day), look)

    def basis(self, days: Sequence[date]) -> Hashable:
        """Changes whenever a table of these days does: for keys of what is derived from several of them (`remember`)."""
        editions = self._cache.brief(("editions",), lambda: tuple(e.edition_id for e in self._store.editions()))
        return (tuple(r.run_id if r else str(d) for d in days for r in [self.run(d)]), hash(editions))

    def newest_positions(self) -> NewestLoad:
        """What the store was told last of positions; asked at most once a second. It says nothing of what they are."""

        def look() -> NewestLoad:
            newest = next(iter(self._store.manifests(table="positions", limit=1)), None)
            if newest is None:
                return NewestLoad()
            day, _, moment = newest.record.path.partition(" ")
            replay = newest.record.source == "replay" and moment.isdigit()
            return NewestLoad(newest.manifest_id, day, int(moment)) if replay else NewestLoad(newest.manifest_id)

        return self._cache.brief(("newest positions",), look)

    def applied(self, day: date, present: Standard) -> Applied:
        """The standard that a day's run applied; `present` where it pins none, and always for `current`."""
        run = self.run(day) if self._pinned else None
        if run is None or run.standard_edition is None:
            return Applied(present, None)
        key = ("standard", run.standard_edition)
        return self._cache.get(key, lambda: applied_standard(self._store, run, present), lambda _: STANDARD_BYTES)

    def standard(self, edition_id: str) -> StandardEdition | None:
        """A stored standard: it holds nothing of persons."""
        return self._store.standard(edition_id)

    # --- tables ---
    def read(self, table: str, day: date, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of an input or derived table in force on a day, as far as the scope goes."""
        frame = self._filtered(
            table, day, ("read", table, self.edition_id(table, day)), lambda: self._whole(table, day)
        )
        return _where(frame, where)

    def result(
        self, table: str, day: date, *, run_id: str | None = None, where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Rows of a result table of a day's current run (or of a named run of that day), as far as the scope goes.

        Empty, with the day's columns where the store gives them, if the day has no run.
        """
        run = self.run(day, run_id)
        if run is None:
            return pd.DataFrame()
        key = ("result", table, run.run_id)
        run_result = partial(self._store.result, run.run_id, table)
        frame = self._filtered(table, day, key, lambda: self._cache.get(key, run_result, frame_bytes))
        return _where(frame if self.principal.sees_tracks else impersonal(table, frame), where)

    def results(self, table: str, days: Sequence[date], *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The same over several days, with column day; where there is no row, the columns of the days that were audited."""
        frames = [self.result(table, d, where=where) for d in days]
        kept = [f for f in frames if len(f)]
        if kept:
            return pd.concat(kept, ignore_index=True)
        return next((f.iloc[:0] for f in frames if len(f.columns)), pd.DataFrame())

    def _whole(self, table: str, day: date) -> pd.DataFrame:
        edition = self.edition_id(table, day)
        return self._cache.get(("read", table, edition), lambda: self._store.read(table, edition), frame_bytes)

    def _filtered(
        self, table: str, day: date, key: tuple[str, str, str | None], whole: Callable[[], pd.DataFrame]
    ) -> pd.DataFrame:
        if self.principal.scope.whole:
            return whole()
        keys = self.keys(day)

        def cut() -> pd.DataFrame:
            return visible(table, whole(), keys)

        return self._cache.get((str(self.principal.scope), self._basis(day), *key), cut, frame_bytes)

    def _basis(self, day: date) -> tuple[str | None, ...]:
        tables = ("units", "sections", "work_grids", "community_grids", "persons", "assignments", "areas", "cases")
        return tuple(self.edition_id(t, day) for t in tables)

    def keys(self, day: date) -> ScopeKeys:
        """Ids that belong to the scope on a day (not for the whole county, which has no limits)."""
        scope = self.principal.scope
        key = ("keys", str(scope), self._basis(day))
        return self._cache.get(key, lambda: scope_keys(scope, lambda t: self._whole(t, day)), lambda _: 100_000)

    def remember(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """A value derived from what the scope may see, kept for all with the same key; the key must name scope and edition or run."""
        return self._cache.get(("derived", str(self.principal.scope), key), make, size)

    # --- evidence ---
    def passes(
        self,
        day: date,
        *,
        run_id: str | None = None,
        segment_ids: Sequence[str] | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        purpose: str,
        logged: bool = True,
    ) -> pa.Table:
        """Passes of a run on segments of the scope, with column segment_id; device_id only for roles that see tracks.

        `segment_ids` None means every segment of the scope. `logged` False: the caller writes to the access log (`Frame.persons`).
        """
        run = self.run(day, run_id)
        segments = self._whole("segments", day)["segment_id"]
        own = self.read("segments", day)["segment_id"]
        wanted = own if segment_ids is None else own[own.isin(list(segment_ids))]
        everything = segment_ids is None and self.principal.scope.whole
        rows = None if everything else np.flatnonzero(segments.isin(list(wanted)).to_numpy()).tolist()
        if run is None:
            return pa.table({})
        table = self._store.passes(run.run_id, segment_ix=rows, from_ms=from_ms, to_ms=to_ms)
        names = pa.array(segments.astype(str).to_numpy(), pa.string()).take(table["segment_ix"])
        table = table.append_column("segment_id", names)
        if not self.principal.sees_tracks:
            return table.drop_columns([c for c in ("device_id", "track_ix") if c in table.column_names])
        if logged:
            self.log("passes", day=day, purpose=purpose, devices=sorted(set(table["device_id"].to_pylist()))[:200])
        return table

    def judged_passes(
        self,
        day: date,
        counting: Counting,
        asked: Asked,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        purpose: str,
    ) -> JudgedPasses:
        """Passes on streets of the scope with what the audit made of each: the same for every role, but for device_id.

        Whoever carried a device is judged by the roster of the whole county. Passes of devices that nobody on duty carried are told by
        number alone, and those that begin or end off duty only for their time on duty: off-shift movement is shown to nobody.
        """
        run = self.run(day)
        own = self.read("segments", day)
        inside = (
            own["section_id"].isin(list(asked.sections))
            if asked.roles is None
            else own["segment_id"].isin(list(asked.segments))
        )
        ids = frozenset(own.loc[inside, "segment_id"].astype(str))
        if run is None or not ids:
            return no_passes()
        found = judged(self._whole_county(), self._store, run, counting, asked, ids, (from_ms, to_ms))
        if not self.principal.sees_tracks:
            return JudgedPasses(found.rows.drop(columns="device_id"), found.off_duty)
        self.log("passes", day=day, purpose=purpose, devices=sorted(set(found.rows["device_id"]))[:200])
        return found

    def community_places(self, day: date, grid_id: str) -> pd.DataFrame:
        """Named places (of `areas`) that the audit asks for in a community grid of the scope; in no other grid."""
        if grid_id not in set(self.read("community_grids", day)["grid_id"].astype(str)):
            return self._whole("areas", day).iloc[:0]
        grids, named = self._whole("community_grids", day), named_places(self._whole("areas", day))
        mine = place_homes(grids, named) == int(np.flatnonzero(grids["grid_id"].astype(str) == grid_id)[0])
        found: pd.DataFrame = named[mine].reset_index(drop=True)
        return found

    def tracks(
        self,
        day: date,
        *,
        person_ids: Sequence[str] | None = None,
        device_ids: Sequence[str] | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        purpose: str,
        logged: bool = True,
    ) -> pd.DataFrame:
        """Positions on duty: person_id, device_id, t_ms, arrived_ms, lon, lat, sorted by person and time; written to the access log.

        `logged` False: the caller writes to it (`Frame.persons`), since what it reads is shared by several visitors.

        Raises:
            ForbiddenError: the role does not see individual tracks.
        """
        if not self.principal.sees_tracks:
            raise forbidden(zh="您的角色不能查看个人轨迹", en="your role may not see individual tracks")
        duty = self.duty(day)
        if person_ids is not None:
            duty = duty[duty["person_id"].isin(list(person_ids))]
        if device_ids is not None:
            duty = duty[duty["device_id"].isin(list(device_ids))]
        devices = sorted(set(duty["device_id"]))
        table = self._store.positions.scan(day, device_ids=devices, from_ms=from_ms, to_ms=to_ms)
        if logged:
            self.log("tracks", day=day, purpose=purpose, persons=sorted(set(duty["person_id"])), devices=devices)
        return on_duty(table, duty)

    def duty(self, day: date) -> pd.DataFrame:
        """Who was on duty when, with which device: person_id, device_id, from_ms, to_ms (UTC, half open)."""
        run = self.run(day) if self._pinned else None
        key = ("duty", str(day), self._basis(day), self.edition_id("exceptions", day), self.edition_id("devices", day),
               run.standard_edition if run else None)  # fmt: skip
        return self.remember(key, lambda: self._duty(self, day), frame_bytes)

    def streets(self, day: date) -> pd.DataFrame:
        """The whole county's segments, for measuring ways, which lead through other towns too; they name nobody."""
        return self._whole("segments", day)[["section_id", "u", "v", "length_mm", "oneway", "geometry"]]

    def carried(self, day: date, zone: ZoneInfo) -> frozenset[str]:
        """Devices that the whole county's roster gives somebody at some time of a local day."""
        rows = self._whole("assignments", day)
        begins = pd.Timestamp(day, tz=zone)
        ends = begins + pd.Timedelta(days=1)
        held = rows[(rows["valid_from"] < ends) & (rows["valid_to"].isna() | (rows["valid_to"] > begins))]
        return frozenset(held["device_id"].astype(str))

    def tracks_of_nobody(
        self, day: date, device_ids: Iterable[str], zone: ZoneInfo, *, from_ms: int, to_ms: int, purpose: str
    ) -> pd.DataFrame:
        """Positions of those of some devices that nobody carries: as `tracks` gives them, `person_id` empty; written to the access log.

        For cities that count such devices (`[counting] unassigned`); who asks shows no more of them than what the figure rests on.

        Raises:
            ForbiddenError: the role does not see individual tracks.
        """
        if not self.principal.sees_tracks:
            raise forbidden(zh="您的角色不能查看个人轨迹", en="your role may not see individual tracks")
        devices = sorted(set(device_ids) - self.carried(day, zone))
        if not devices:
            return on_duty(self._store.positions.scan(day, device_ids=[]), self.duty(day).iloc[:0])
        self.log("tracks", day=day, purpose=purpose, persons=[], devices=devices)
        table = self._store.positions.scan(day, device_ids=devices, from_ms=from_ms, to_ms=to_ms)
        whole = pd.DataFrame({"person_id": "", "device_id": devices, "from_ms": from_ms, "to_ms": to_ms})
        return on_duty(table, whole)

    # --- the store's own ledgers, for those who keep it ---
    def _keeper(self) -> None:
        if not self.principal.scope.whole:
            raise forbidden(zh="只有全县范围的账号可以查看", en="only accounts of the whole county may see this")

    def editions(self, table: str | None = None) -> list[Edition]:
        """Editions, oldest first (whole county only)."""
        self._keeper()
        return self._store.editions(table)

    def manifests(self) -> list[Manifest]:
        """Every load, newest first (whole county only)."""
        self._keeper()
        return self._store.manifests()

    def quarantine(self, manifest_id: str | None = None, *, limit: int = 1000, offset: int = 0) -> pd.DataFrame:
        """Rejected rows (whole county, manager or administrator: rows hold whatever the source held)."""
        self._keeper()
        if self.principal.role not in {"manager", "administrator"}:
            raise forbidden(zh="您的角色不能查看隔离记录", en="your role may not see quarantined rows")
        return self._store.quarantine(manifest_id, limit=limit, offset=offset)

    def difference(self, run_id: str) -> pd.DataFrame:
        """What a run changed against the one before it (whole county only)."""
        self._keeper()
        return self._store.difference(run_id)

    def access_log(self, *, limit: int = 1000) -> pd.DataFrame:
        """Who saw what (administrators of the whole county)."""
        self._keeper()
        if self.principal.role != "administrator":
            raise forbidden(zh="只有管理员可以查看访问记录", en="only administrators may see the access log")
        return self._store.ledger("access_log", limit=limit)

    def confirmations(self, *, limit: int = 1000) -> pd.DataFrame:
        """Confirmed figures; a town or squad sees those of its own scope (managers and administrators)."""
        if self.principal.scope.whole:
            return self._store.ledger("confirmations", limit=limit)
        if self.principal.role not in {"manager", "administrator"}:
            raise forbidden(zh="您的角色不能查看确认记录", en="your role may not see confirmations")
        return self._store.ledger("confirmations", where={"scope": str(self.principal.scope)}, limit=limit)

    def confirmed(self, where: dict[str, Any], *, limit: int = 1000) -> pd.DataFrame:
        """Confirmations of figures of the visitor's own scope, as exports tell them."""
        own = {**where, "scope": str(self.principal.scope)}
        return self._store.ledger("confirmations", where=own, limit=limit)

    def confirm(self, row: Mapping[str, Any]) -> None:
        """Confirm a figure in the visitor's name (managers and administrators).

        Raises:
            ForbiddenError: another role.
        """
        if self.principal.role not in {"manager", "administrator"}:
            raise forbidden(zh="您的角色不能确认结果", en="your role may not confirm figures")
        mine = {"by": self.principal.name, "scope": str(self.principal.scope)}
        self._store.ledger_append("confirmations", {**row, **mine})

    def log(self, event: str, *, day: date, purpose: str, **what: Any) -> None:
        """Write to the access log in the visitor's name."""
        row = {
            "event": event,
            "name": self.principal.name,
            "role": self.principal.role,
            "day": str(day),
            "purpose": purpose,
        }
        self._journal.append({**row, **what})


def _where(frame: pd.DataFrame, where: Mapping[str, Any] | None) -> pd.DataFrame:
    if not where or frame.empty:
        return frame
    keep = np.ones(len(frame), dtype=bool)
    for column, value in where.items():
        wanted = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
        keep &= frame[column].isin(wanted).to_numpy(dtype=bool)
    return frame[keep].reset_index(drop=True)


def on_duty(positions: pa.Table, duty: pd.DataFrame) -> pd.DataFrame:
    """Positions that fall into a duty interval of the person who carried the device; all others are left out."""
    columns = ["person_id", "device_id", "t_ms", "arrived_ms", "lon", "lat"]
    frames = []
    devices = positions["device_id"]
    for device, shifts in duty.groupby("device_id", sort=True):
        fixes = positions.filter(pc.equal(devices, str(device))).to_pandas()
        times = fixes["t_ms"].to_numpy()
        lows = np.searchsorted(times, shifts["from_ms"].to_numpy(dtype=np.int64))
        highs = np.searchsorted(times, shifts["to_ms"].to_numpy(dtype=np.int64))
        for low, high, person in zip(lows, highs, shifts["person_id"], strict=True):
            if high > low:
                frames.append(fixes.iloc[low:high].assign(person_id=person))
    if not frames:
        return pd.DataFrame({c: pd.Series(dtype="str" if c.endswith("_id") else "float64") for c in columns})
    joined: pd.DataFrame = pd.concat(frames, ignore_index=True)[columns]
    return joined.sort_values(["person_id", "t_ms"], kind="stable", ignore_index=True)


def scoped(
    store: Store, principal: Principal, *, cache: Cache, duty: Duty, journal: Journal | None = None
) -> ScopedStore:
    """The store as `principal` may see it; `journal` is the access log of all who share the store, by default one of its own."""
    return ScopedStore(store, principal, cache, duty, journal or Journal(store, "access_log"))
