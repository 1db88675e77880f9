"""The store's port: what every other room may ask of it. Two adapters keep it: PostgreSQL + PostGIS, and one embedded folder.

The embedded store is a folder: `catalogue.sqlite` (a GeoPackage that QGIS opens) beside `positions/` and `passes/` (Parquet by day).
Every `load…` and `publish` is atomic and idempotent: killed in the middle it leaves the store as it was; done twice, nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from layers.store.guards import Guards


WARNING = "警告："
"""How the note of a doubtful source begins."""


class Note(NamedTuple):
    """A repair or a warning of a load, in both languages."""

    zh: str
    en: str

    @property
    def warns(self) -> bool:
        """Whether it doubts the source, such as an undeclared map offset."""
        return self.zh.startswith(WARNING)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """What a reader knows of one source before it is stored."""

    source: str  # name in the city file
    table: str  # table contract, or "positions"
    path: str  # as the city file writes it; never an absolute path of the machine
    sha256: str
    rows_in: int
    crs: str | None = None
    encoding: str | None = None
    notes: tuple[Note, ...] = ()  # repairs and warnings


@dataclass(frozen=True, slots=True)
class Manifest:
    """One line of the ledger of loads: rows_in == inserted + already_present + quarantined."""

    manifest_id: str
    record: SourceRecord
    inserted: int
    already_present: int
    quarantined: int
    reasons: Mapping[str, int]  # quarantine reason code -> rows
    loaded_at: datetime
    edition_id: str | None


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of one table, valid from a local day on until the next one begins."""

    edition_id: str  # content hash
    table: str
    rows: int
    valid_from: date
    loaded_at: datetime
    manifest_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandardEdition:
    """The whole content of a standard as it was when it was first stored."""

    edition_id: str  # SHA-256 of the content
    standard_id: str
    version: str
    file: str  # its name, never an absolute path of the machine
    content: str  # JSON, inheritance resolved (layers.standard_editions)
    stored_at: datetime
    author: str | None = None  # who wrote it, and why, where that is known
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One audit of one local day: `run_id` is the hash of inputs, editions, standard and code."""

    run_id: str
    day: date
    city: str
    standard_id: str
    standard_version: str
    editions: Mapping[str, str]  # table -> edition_id
    inputs: Sequence[Mapping[str, Any]]  # name, sha256, rows
    code_version: str
    created_at: datetime | None = None  # set by the store
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds; not part of run_id
    standard_edition: str | None = None  # the stored standard that it applied; None: made before standards were stored


@dataclass(frozen=True, slots=True)
class Live:
    """Evidence of a day that is under way, provisional: what its positions so far say. Never an audit, never exported."""

    day: date
    until_ms: int  # UTC: the newest fix that is in it
    positions: int  # rows of the day that it rests on
    editions: Mapping[str, str]  # table -> edition_id, the derived network among them
    code_version: str
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds
    made_at: datetime | None = None  # set by the store
    serial: int | None = None  # set by the store: another number whenever the evidence is replaced


class PositionStore(Protocol):
    """Positions by local day. Arrow columns: device_id (string), t_ms, arrived_ms (int64 UTC), lon, lat (float64, WGS 84).

    The key is (device_id, t_ms, lon, lat): a row already there is counted as already present. `arrived_ms` is the time the platform got it.
    """

    def load(self, batches: Iterable[pa.Table], record: SourceRecord, quarantine: pd.DataFrame) -> Manifest:
        """Append all batches in one atomic step; `quarantine` has columns row, column, code, zh, en, raw."""
        ...

    def days(self) -> list[date]:
        """Local days that hold positions, ascending."""
        ...

    def count(self, day: date) -> int:
        """Rows of a day."""
        ...

    def sha256(self, day: date) -> str:
        """Hash of the content of a day, free of the order in which it was loaded."""
        ...

    def scan(
        self,
        day: date,
        *,
        shard: int = 0,
        shards: int = 1,
        device_ids: Sequence[str] | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        arrived_before_ms: int | None = None,
        encoded: bool = False,
    ) -> pa.Table:
        """Positions of a day sorted by (device_id, t_ms, lon, lat); every device of the day falls into exactly one shard, on every machine.

        With `encoded` the device ids may come dictionary-encoded, where that is how they are stored.
        """
        ...


class Store(Protocol):
    """Catalogue, results, positions and ledgers of one city."""

    url: str  # as people may read it: without the password
    address: str  # what `open_store` takes to open it again, in another process too
    positions: PositionStore
    guards: Guards  # tries of passwords, ended sessions
    cache: Path | None  # a folder for what can be made again at any time; None: there is none

    def prepare(self) -> None:
        """Create the store or migrate it to this version (Alembic on PostgreSQL, the same revisions on SQLite)."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...

    # --- loads and editions ---
    def load(
        self, frame: pd.DataFrame, record: SourceRecord, quarantine: pd.DataFrame, *, valid_from: date
    ) -> Manifest:
        """Store one table's rows as an edition; several sources of one table and valid_from add up to one edition.

        Raises:
            InputError: the frame breaks its contract.
        """
        ...

    def put_derived(self, table: str, frame: pd.DataFrame, *, edition_id: str, valid_from: date) -> Edition:
        """Store a derived table (segments, sections) under the hash of what it was derived from; present already: nothing happens."""
        ...

    def editions(self, table: str | None = None) -> list[Edition]:
        """Editions, oldest first."""
        ...

    def edition_at(self, table: str, day: date) -> Edition | None:
        """The edition in force on a day: the latest loaded among those with the latest valid_from not after the day."""
        ...

    def read(self, table: str, edition_id: str | None, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of an edition in the order they were loaded (a GeoDataFrame in EPSG:4326 where the contract has a geometry).

        `where` maps columns to a value or a list of values. An edition_id of None gives an empty frame of the contract.
        """
        ...

    def bounds(self, table: str, edition_id: str) -> tuple[float, float, float, float]:
        """West, south, east, north of an edition in degrees; NaN where it has no geometry."""
        ...

    def manifests(self, *, table: str | None = None, limit: int | None = None) -> list[Manifest]:
        """Loads, newest first: every one, or those into a table, or the newest few."""
        ...

    def quarantine(self, manifest_id: str | None = None, *, limit: int = 1000, offset: int = 0) -> pd.DataFrame:
        """Rejected rows: manifest_id, source, row, column, code, zh, en, raw (JSON)."""
        ...

    # --- standards ---
    def put_standard(
        self, content: str, *, file: str, author: str | None = None, reason: str | None = None
    ) -> StandardEdition:
        """Store the content of a standard under its hash; there already: nothing changes, and what was stored first is returned."""
        ...

    def standard(self, edition_id: str) -> StandardEdition | None:
        """A stored standard."""
        ...

    def standards(self) -> list[StandardEdition]:
        """Every stored standard, oldest first."""
        ...

    # --- runs and results ---
    def publish(self, run: Run, tables: Mapping[str, pd.DataFrame], passes: Iterable[pa.Table]) -> pd.DataFrame:
        """Write a run and move the day's pointer to it, in one short transaction.

        Result frames have their contract's columns; the store adds run_id and day. `passes`, sorted as gis.model.Passes, has columns
        segment_ix, from_mm, to_mm (int32), enter_ms, leave_ms (int64), device_id (string), track_ix (int32), first_fix_ms, last_fix_ms
        (int64), seen (bool), confidence (float32).
        Returns the difference of section_windows and grid_days to the run that the pointer left (table, key, column, before, after),
        which is stored too. A run that is stored already only moves the pointer.
        """
        ...

    def current_run(self, day: date) -> Run | None:
        """The run that the day's pointer names."""
        ...

    def runs(self, day: date | None = None) -> list[Run]:
        """All runs kept, newest first."""
        ...

    def run_days(self) -> list[date]:
        """Days that have a current run, ascending."""
        ...

    def result(self, run_id: str, table: str, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of a result table of one run, in the order they were published, with column day."""
        ...

    def results(self, days: Sequence[date], table: str, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The same over the current runs of several days."""
        ...

    def passes(
        self,
        run_id: str,
        *,
        segment_ix: Sequence[int] | None = None,
        device_ids: Sequence[str] | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> pa.Table:
        """Passes of a run, filtered."""
        ...

    def difference(self, run_id: str) -> pd.DataFrame:
        """What changed against the run before it (see publish)."""
        ...

    # --- live evidence (see layers.store.live) ---
    def put_live(self, live: Live, tables: Mapping[str, pa.Table]) -> Live:
        """Store a day's live evidence in place of what was there, atomically; returns it with its moment and serial.

        Tables, by name: `passes` (as for publish), `patrols` (section_id, completed_ms: full patrols), `windows` (section_id, starts_ms,
        ends_ms, person_ids joined by `;`), `rounds` (grid_id, completed_ms).
        """
        ...

    def live(self, day: date) -> Live | None:
        """The live evidence of a day."""
        ...

    def live_days(self) -> list[date]:
        """Days that have live evidence, ascending."""
        ...

    def live_tables(self, day: date, names: Iterable[str]) -> tuple[Live, dict[str, pa.Table]] | None:
        """A day's live evidence with some of its tables, all of one step."""
        ...

    def drop_live(self, day: date) -> None:
        """Remove a day's live evidence."""
        ...

    def beat(self, state: Mapping[str, Any]) -> None:
        """Tell how the following of positions stands."""
        ...

    def last_beat(self) -> dict[str, Any] | None:
        """What `beat` was told last, with `at_ms`."""
        ...

    # --- what the program remembers (files that were looked at) ---
    def remember(self, key: str, text: str) -> None:
        """Keep a text under a key in place of what was there."""
        ...

    def recall(self, key: str) -> str | None:
        """What `remember` was told last, None where it was told nothing."""
        ...

    # --- ledgers of the application (accounts, access log, confirmations) ---
    def ledger_append(self, ledger: str, *rows: Mapping[str, Any]) -> None:
        """Append rows to `users`, `access_log` or `confirmations`, all or none (users: the newest row of a name counts)."""
        ...

    def ledger(self, ledger: str, *, where: Mapping[str, Any] | None = None, limit: int = 1000) -> pd.DataFrame:
        """Rows of a ledger, newest first; column `at` (UTC) and `body` spread into columns."""
        ...
