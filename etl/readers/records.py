"""From the cells of a small table to rows of a contract: headings found, words translated, rows set aside, times and persons resolved."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from etl.base import QUARANTINE_COLUMNS, Read, missing_columns, raw_json
from etl.near_ids import near_ids
from etl.readers.edges import dates_of_midnights, parse_edges
from etl.readers.reasons import REASONS
from etl.readers.sheets import Sheet, normal_word, read_sheet, text_array
from etl.readers.times import FAULT_CODES, TimeRule, dates_of_serials, parse_times, twofold_note, utc_series
from gis.errors import InputError
from layers.city import allowed_columns
from layers.contracts import TABLES
from layers.standard_editions import standard_of
from layers.store.base import Note, SourceRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import time

    import numpy.typing as npt

    from etl.base import Context
    from layers.city import Source

    Bools = npt.NDArray[np.bool_]
    Text = list[str | None]

EVER_MS = 631_152_000_000  # 1990-01-01: since when something holds that names no beginning
_LATER_MS = 4_102_444_800_000 * 2  # no upper bound worth naming for ends of validity


class Records:
    """The rows of one source on their way into a table.

    Rows are set aside by `doubt` (the first reason counts); `read` gives the rest. `entries` may be more than the rows of the source
    where a cell holds several statements: they are counted then.
    """

    def __init__(self, source: Source, context: Context, aliases: Mapping[str, Sequence[str]]) -> None:
        self.source, self.context = source, context
        self.sheet: Sheet = read_sheet(source, context)
        self.headings = _resolve(source, self.sheet.frame.columns, aliases)
        self.take = np.arange(len(self.sheet.frame))  # source row of each entry
        self.part = np.zeros(len(self.take), dtype=np.int64)  # which of its row's entries, 0 where a row is one
        self.code: npt.NDArray[np.object_] = np.full(len(self.take), "", dtype=object)
        self.column: npt.NDArray[np.object_] = np.full(len(self.take), "", dtype=object)
        self.detail: npt.NDArray[np.object_] = np.full(len(self.take), "", dtype=object)
        self.notes: list[Note] = []
        zone = source.time_zone or context.city.timezone
        self.zone = ZoneInfo(zone)

    def __len__(self) -> int:
        """Entries."""
        return len(self.take)

    def note(self, zh: str, en: str) -> None:
        """Something that the reader of the manifest must know."""
        self.notes.append(Note(zh, en))

    def require(self, *columns: str) -> None:
        """Stop where the source neither has nor is given a column.

        Raises:
            InputError: columns are missing.
        """
        lacking = [c for c in columns if not self.has(c)]
        mapped = [c for c in self.source.columns if c not in self.headings and c not in self.source.constants]
        if lacking or mapped:
            raise InputError(missing_columns(self.source, lacking, self.sheet.frame.columns))

    def place(self, entry: int) -> tuple[str, int]:
        """File and row of an entry."""
        at = int(self.take[entry])
        return self.sheet.files[at] or self.source.where, int(self.sheet.rows[at])

    def has(self, column: str) -> bool:
        """Whether the source has a column, or is given a constant for it."""
        return column in self.headings or column in self.source.constants

    def expand(self, entries: Sequence[int]) -> None:
        """Give each source row as many entries as it holds statements; `entries` are the source rows, ascending."""
        self.take = np.array(entries, dtype=np.int64)
        first = np.searchsorted(
            self.take, self.take
        )  # of each row's entries; the row of several says which entry is meant
        several = np.bincount(self.take, minlength=1)[self.take] > 1 if len(self.take) else np.zeros(0, dtype=bool)
        self.part = np.where(several, np.arange(len(self.take)) - first + 1, 0)
        for name in ("code", "column", "detail"):
            setattr(self, name, np.full(len(self.take), "", dtype=object))

    def text(self, column: str) -> Text:
        """Cells of a column (N,), constants and translations applied; None where empty."""
        if column in self.source.constants:
            return [str(self.source.constants[column])] * len(self)
        if column not in self.headings:
            return [None] * len(self)
        cells = self.sheet.frame[self.headings[column]].to_numpy(dtype=object)[self.take]
        words = self.source.translate.get(column, {})
        return [None if c is None else words.get(str(c), str(c)) for c in cells]

    def words(self, column: str, known: Mapping[str, str], *, missing: str | None = None) -> Text:
        """Cells of a column that has fixed choices, people's words brought to the contract's; unknown ones are set aside."""
        table = {normal_word(k): v for k, v in known.items()} | {v: v for v in known.values()}
        cells = self.text(column)
        out = [missing if c is None else table.get(normal_word(c)) for c in cells]
        unknown = np.array([c is not None and o is None for c, o in zip(cells, out, strict=True)], dtype=np.bool_)
        self.doubt(unknown, "value_unknown", column, cells)
        return out

    def times(
        self, column: str, *, end: bool = False, required: bool = False, moment: bool = False, dates: bool = False
    ) -> pd.Series[Any]:
        """Times of a column as stored; naive ones are local. A bare date or half day is its beginning, of an `end` its end (see `edges`).

        Args:
            column: of the contract.
            end: whether the column ends something.
            required: an empty cell sets its row aside.
            moment: the column says when something happened: a half day is no time at all.
            dates: where every clock in the column is 0:00, its cells are dates as a spreadsheet writes them.
        """
        cells = self.text(column)
        cells, serials = dates_of_serials(cells) if self.source.time_format is None else (cells, 0)
        if serials:
            heading = self.headings.get(column, column)
            self.note(
                f"{heading}：{serials} 处是电子表格的日期序号（如 46099），已换算为日期",
                f"{heading}: {serials} cells are day numbers of a spreadsheet (such as 46099), read as dates",
            )
        rule = TimeRule(zone=self.zone, format=self.source.time_format, latest_ms=_LATER_MS)
        if dates and self.source.time_format is None:
            cells, midnights = dates_of_midnights(cells)
            self._tell_midnights(column, midnights)
        if moment:
            found, unclear = parse_times(text_array(pd.Series(cells, dtype="object")), rule), None
        else:
            edges = parse_edges(cells, rule, end=end, noon=self._noon)
            found, unclear = edges.times, edges.unclear
            self._tell_halves(column, edges.halves)
        if found.twofold:
            heading, note = self.headings.get(column, column), twofold_note(found.twofold)
            self.notes.append(Note(f"{heading}：{note.zh}", f"{heading}: {note.en}"))
        if unclear is not None:
            self.doubt(unclear, "day_part_unclear", column, cells)
        for fault, code in FAULT_CODES.items():
            if code != "time_missing" or required:
                self.doubt(found.fault == fault, code, column, cells)
        return utc_series(found.ms.copy(), found.fault == 0)

    def _noon(self) -> time:
        """Where the city's standard splits a day in two."""
        return standard_of(self.context.city).community.half_day_split.value

    def _tell_midnights(self, column: str, count: int) -> None:
        if count:
            heading = self.headings.get(column, column)
            self.note(
                f"{heading}：{count} 处的钟点都是 0:00，视为日期，止于当日 24 时",
                f"{heading}: all clocks of {count} cells are 0:00: taken for dates, which end at 24:00",
            )

    def _tell_halves(self, column: str, halves: int) -> None:
        if halves:
            heading, noon = self.headings.get(column, column), f"{self._noon():%H:%M}"
            self.note(
                f"{heading}：{halves} 处只写上午、下午或中午，以 {noon} 为界",
                f"{heading}: {halves} cells name a half day; it splits at {noon}",
            )

    def doubt(self, mask: Bools, code: str, column: str, cells: Sequence[str | None] | None = None) -> None:
        """Set entries aside for a reason, those excepted that have one already; the cell is quoted."""
        new = np.asarray(mask, dtype=np.bool_) & (self.code == "")
        self.code[new], self.column[new] = code, self.headings.get(column, column)
        if cells is not None:
            self.detail[new] = [f":{c}" if c else "" for c in np.array(cells, dtype=object)[new]]

    def doubt_empty(self, cells: Sequence[str | None], column: str, code: str = "value_missing") -> None:
        """Set entries aside whose cell is empty."""
        self.doubt(np.array([c is None for c in cells], dtype=np.bool_), code, column)

    def note_near(self, column: str, cells: Iterable[str | None], known: Collection[str]) -> None:
        """Tell ids that the roster writes otherwise (007 and 7); nothing is joined by it."""
        for found, meant in near_ids((c for c in cells if c is not None), known):
            heading = self.headings.get(column, column)
            self.note(
                f"{heading} {found} 不在名册中，名册里是 {meant}",
                f"{heading} {found} is not in the roster; it has {meant}",
            )

    def doubt_keys(self, *keys: Sequence[str | None]) -> None:
        """Set entries aside that repeat the key of an earlier good one."""
        seen: set[tuple[str | None, ...]] = set()
        again = np.zeros(len(self), dtype=np.bool_)
        for i, key in enumerate(zip(*keys, strict=True)):
            if self.code[i] == "":
                again[i] = key in seen
                seen.add(key)
        self.doubt(again, "key_duplicate", TABLES[self.source.table].key[0], keys[0])

    def read(self, columns: Mapping[str, Any], *, crs: str | None = None) -> Read:
        """The rows that keep the contract, those set aside, and the record."""
        names = [c.name for c in TABLES[self.source.table].columns]
        frame = pd.DataFrame({n: _cells(columns.get(n), len(self)) for n in names})
        good = self.code == ""
        quarantine = self._quarantine()
        record = SourceRecord(
            source=self.source.name, table=self.source.table, path=self.source.where, sha256=self.sheet.sha256,
            rows_in=len(self) + len(self.sheet.broken), crs=crs, encoding=self.sheet.encoding, notes=tuple(self.notes),
        )  # fmt: skip
        return Read(frame[good].reset_index(drop=True), quarantine, record)

    def _quarantine(self) -> pd.DataFrame:
        rows: list[dict[str, Any]] = []
        for i in np.flatnonzero(self.code != ""):
            at, reason = int(self.take[i]), REASONS[str(self.code[i])]
            raw: dict[str, Any] = {str(k): v for k, v in self.sheet.frame.iloc[at].items()}
            if self.part[i]:
                raw = {"_entry": int(self.part[i]), **raw}
            if self.sheet.files[at]:
                raw = {"_file": self.sheet.files[at], **raw}
            rows.append(_aside(int(self.sheet.rows[at]), str(self.column[i]), reason.code, str(self.detail[i]), raw))
        for file, line, text, code in self.sheet.broken:
            rows.append(_aside(line, "", code, "", {"_file": file, "text": text} if file else {"text": text}))
        frame = pd.DataFrame(rows, columns=list(QUARANTINE_COLUMNS))
        return frame.sort_values("row", kind="stable").reset_index(drop=True)


def _aside(row: int, column: str, code: str, detail: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    reason = REASONS[code]
    english = detail.replace(":", ": ", 1)
    return {
        "row": row, "column": column, "code": code, "zh": reason.zh + detail, "en": reason.en + english, "raw": raw_json(raw),
    }  # fmt: skip


def _cells(values: Any, size: int) -> Any:
    if values is None:
        return pd.Series([None] * size, dtype="object")
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    flags = size > 0 and all(isinstance(v, bool | np.bool_) for v in values)
    return pd.Series(list(values), dtype=bool if flags else "object")


def _resolve(source: Source, columns: Iterable[str], aliases: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Contract column to heading: as mapped, else of the same name, else of the contract's heading or a customary word."""
    have = {normal_word(str(c)): str(c) for c in reversed(list(columns))}
    last = {normal_word(str(c)).rsplit("/", 1)[-1]: str(c) for c in reversed(list(columns))}
    titles = {c.name: c.zh for c in TABLES[source.table].columns}
    out: dict[str, str] = {}
    for column in allowed_columns(source.table):
        if column in source.constants:
            continue
        if column in source.columns:
            mapped = normal_word(source.columns[column])
            heading = have.get(mapped) or last.get(mapped)
            if heading is not None:
                out[column] = heading
            continue
        wanted = (column, titles.get(column, column), *aliases.get(column, ()))
        found = next((t[normal_word(w)] for w in wanted for t in (have, last) if normal_word(w) in t), None)
        if found is not None and found not in source.columns.values():
            out[column] = found
    return out


class Finder:
    """Ids out of what people write: an id as it is, or a name that only one has."""

    def __init__(self, frame: pd.DataFrame | None, key: str, *, name: str = "name") -> None:
        self.ids: set[str] = set()
        self.by_name: dict[str, list[str]] = defaultdict(list)
        if frame is not None and len(frame):
            self.ids = {str(v) for v in frame[key]}
            names = frame[name] if name in frame else frame[key]
            for found, called in zip(frame[key], names, strict=True):
                if isinstance(called, str) and str(found) not in self.by_name[normal_word(called)]:
                    self.by_name[normal_word(called)].append(str(found))

    def __bool__(self) -> bool:
        """Whether there is anything to find."""
        return bool(self.ids)

    def find(self, text: str | None, keep: Collection[str] = ()) -> tuple[str | None, str]:
        """The id of a text, and the reason where there is none (person_unknown, person_ambiguous); `keep` narrows namesakes down."""
        if text is None:
            return None, ""
        if text in self.ids:
            return text, ""
        found = self.by_name.get(normal_word(text), [])
        if len(found) > 1:
            found = [f for f in found if f in keep] or found
        if len(found) == 1:
            return found[0], ""
        return None, "person_ambiguous" if found else "person_unknown"


def digest(*parts: object) -> str:
    """A short stable id out of what makes a row the row that it is."""
    return hashlib.sha256("\x1f".join("" if p is None else str(p) for p in parts).encode()).hexdigest()[:16]
