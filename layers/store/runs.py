"""Runs: results written once, a pointer a day to the current one, and what changed from run to run."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from gis.errors import Fault, ImpossibleError, InputError
from layers import models
from layers.store import frames, steps
from layers.store.base import Run
from layers.store.catalogue import conditions
from layers.store.conform import conform, contract
from layers.store.differences import COLUMNS, compare
from layers.store.passes import conform_passes, filter_passes
from layers.store.standards import Standards

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import pyarrow as pa

COMPARED = ("section_windows", "grid_days")


@dataclass(frozen=True, slots=True)
class _Pointer:
    run_no: int
    run_id: str
    move_no: int


class Runs(Standards):
    """Publishing and reading of runs."""

    # --- the dialect ---
    @abstractmethod
    def _stage_passes(self, run: Run, batches: list[pa.Table]) -> Any:
        """Prepare passes outside the transaction; what it returns goes to `_write_passes`."""

    @abstractmethod
    def _write_passes(self, _conn: sa.Connection, _run_no: int, _day: date, staged: Any) -> str | None:
        """Write or register the staged passes in the transaction; the name of their file, if they are in one."""

    @abstractmethod
    def _read_passes(self, row: Any, **filters: Any) -> pa.Table:
        """Passes of a stored run, at least those that the filters keep."""

    def publish(self, run: Run, tables: Mapping[str, pd.DataFrame], passes: Iterable[pa.Table]) -> pd.DataFrame:
        """Write a run and move the day's pointer to it, in one short transaction (see the port).

        Raises:
            InputError: a frame or the passes break their contract; every fault of every table.
            StoreError: the store is not reachable, not prepared or busy.
        """
        self._ready()
        stored = self._run_row(run.run_id)
        encoded = {} if stored is not None else self._encoded(tables)
        staged = None if stored is not None else self._stage_passes(run, conform_passes(passes))
        steps.reached("publish.staged")
        with self._locked(f"day:{run.city}:{run.day.isoformat()}"):
            stored = self._run_row(run.run_id)
            pointer = self._pointer(run.day)
            if stored is not None and pointer is not None and pointer.run_id == run.run_id:
                return self.difference(run.run_id)
            changes = self._changes(run, pointer, None if stored is not None else encoded)
            with self._transaction() as conn:
                number = self._write(conn, run, encoded, staged) if stored is None else int(stored["run_no"])
                self._move(conn, run.day, number, pointer, changes)
                steps.reached("publish.before_commit")
            steps.reached("publish.committed")
        return changes

    def _changes(self, run: Run, pointer: _Pointer | None, encoded: Mapping[str, pa.Table] | None) -> pd.DataFrame:
        """What differs between the run that the pointer names and this one (stored, where nothing encoded is given)."""
        if pointer is None:
            return compare(None, {})
        before = {n: self.result(pointer.run_id, n) for n in COMPARED}
        after = {n: self.result(run.run_id, n) for n in COMPARED} if encoded is None else self._as_read(encoded)
        return compare(before, after)

    def _encoded(self, tables: Mapping[str, pd.DataFrame]) -> dict[str, pa.Table]:
        faults: list[Fault] = []
        encoded = {}
        for name, frame in tables.items():
            try:
                table = contract(name, {"result"})
                encoded[name] = frames.encode(conform(frame, table), table, self.flavour)
            except InputError as error:
                faults.extend(error.faults)
        if faults:
            raise InputError(faults)
        return encoded

    def _as_read(self, encoded: Mapping[str, pa.Table]) -> dict[str, pd.DataFrame]:
        made = {n: contract(n, {"result"}) for n in COMPARED}
        return {n: self._frame(t, [encoded[n]] if n in encoded else []) for n, t in made.items()}

    def _write(self, conn: sa.Connection, run: Run, encoded: Mapping[str, pa.Table], staged: Any) -> int:
        r = models.runs
        number = self._next(conn, r.c.run_no)
        for name, rows in encoded.items():
            self._append(conn, contract(name, {"result"}), rows, {"run_no": number, "day": run.day.isoformat()})
        steps.reached("publish.rows")
        file = self._write_passes(conn, number, run.day, staged)
        steps.reached("publish.passes")
        conn.execute(
            sa.insert(r).values(
                run_no=number, run_id=run.run_id, day=run.day, city=run.city, standard_id=run.standard_id,
                standard_version=run.standard_version,
                editions=dict(run.editions), inputs=[dict(i) for i in run.inputs], code_version=run.code_version, created_at=self._moment(),
                seconds=dict(run.seconds), passes=staged.rows, passes_file=file, standard_edition=run.standard_edition,
            )
        )  # fmt: skip
        return number

    def _move(
        self, conn: sa.Connection, day: date, number: int, pointer: _Pointer | None, changes: pd.DataFrame
    ) -> None:
        """Move the pointer, and keep what that changed."""
        m, p, d = models.pointer_moves, models.run_pointer, models.run_differences
        move = self._next(conn, m.c.move_no)
        left = None if pointer is None else pointer.run_no
        conn.execute(
            sa.insert(m).values(move_no=move, day=day, from_run_no=left, to_run_no=number, moved_at=self._moment())
        )
        if pointer is None:
            conn.execute(sa.insert(p).values(day=day, run_no=number, move_no=move))
        else:
            conn.execute(sa.update(p).where(p.c.day == day).values(run_no=number, move_no=move))
        if len(changes):
            plain: list[dict[Any, Any]] = changes.astype(object).where(changes.notna(), None).to_dict("records")
            conn.execute(sa.insert(d), [{"move_no": move, "ordinal": i} | line for i, line in enumerate(plain)])

    # --- reading ---
    def _run_row(self, run_id: str) -> Any:
        with self._reading() as conn:
            return conn.execute(sa.select(models.runs).where(models.runs.c.run_id == run_id)).mappings().first()

    def _pointer(self, day: date) -> _Pointer | None:
        r, p = models.runs, models.run_pointer
        chosen = sa.select(r.c.run_no, r.c.run_id, p.c.move_no).join(p, p.c.run_no == r.c.run_no).where(p.c.day == day)
        with self._reading() as conn:
            found = conn.execute(chosen).first()
        return None if found is None else _Pointer(*found)

    def current_run(self, day: date) -> Run | None:
        """The run that the day's pointer names."""
        r, p = models.runs, models.run_pointer
        with self._reading() as conn:
            row = conn.execute(sa.select(r).join(p, p.c.run_no == r.c.run_no).where(p.c.day == day)).mappings().first()
        return None if row is None else _run(row)

    def runs(self, day: date | None = None) -> list[Run]:
        """All runs kept, newest first."""
        r = models.runs
        chosen = sa.select(r).where(sa.true() if day is None else r.c.day == day).order_by(r.c.run_no.desc())
        with self._reading() as conn:
            return [_run(row) for row in conn.execute(chosen).mappings()]

    def run_days(self) -> list[date]:
        """Days that have a current run, ascending."""
        with self._reading() as conn:
            return list(conn.execute(sa.select(models.run_pointer.c.day).order_by(models.run_pointer.c.day)).scalars())

    def _known(self, run_id: str) -> Any:
        row = self._run_row(run_id)
        if row is None:
            raise ImpossibleError(
                Fault(
                    "run.unknown",
                    f"没有审计结果 {run_id}",
                    f"no run {run_id}",
                    "先运行 xuncha audit",
                    "run `xuncha audit` first",
                )
            )
        return row

    def result(self, run_id: str, table: str, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of a result table of one run, in the order they were published, with column day (date objects) at the end.

        Raises:
            ImpossibleError: no such run.
            InputError: no such table, or column in `where`.
        """
        row = self._known(run_id)
        return self._results([(row["run_no"], row["day"])], table, where)

    def results(self, days: Sequence[date], table: str, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The same over the current runs of several days, in the order of `days`; days without a run add nothing."""
        p = models.run_pointer
        with self._reading() as conn:
            numbers = {
                row.day: row.run_no
                for row in conn.execute(sa.select(p.c.day, p.c.run_no).where(p.c.day.in_(list(days))))
            }
        return self._results([(numbers[d], d) for d in days if d in numbers], table, where)

    def _results(self, numbered: list[tuple[int, date]], table: str, where: Mapping[str, Any] | None) -> pd.DataFrame:
        made = contract(table, {"result"})
        filters = conditions(made, where)
        with self._reading() as conn:
            stored = [self._select(conn, made, number, filters) for number, _ in numbered]
        frame = self._frame(made, stored)
        days = [d for (_, d), rows in zip(numbered, stored, strict=True) for d in [d] * len(rows)]
        frame["day"] = pd.Series(days, index=frame.index, dtype=object)
        return frame

    def passes(
        self, run_id: str, *, segment_ix: Sequence[int] | None = None, device_ids: Sequence[str] | None = None,
        from_ms: int | None = None, to_ms: int | None = None,
    ) -> pa.Table:  # fmt: skip
        """Passes of a run in the order they were published: on these segments, of these devices, that touch from_ms <= time < to_ms.

        Raises:
            ImpossibleError: no such run.
        """
        row = self._known(run_id)
        filters: dict[str, Any] = {
            "segment_ix": None if segment_ix is None else [int(i) for i in segment_ix],
            "device_ids": None if device_ids is None else [str(d) for d in device_ids],
            "from_ms": None if from_ms is None else int(from_ms),
            "to_ms": None if to_ms is None else int(to_ms),
        }
        return filter_passes(self._read_passes(row, **filters), **filters).combine_chunks()

    def difference(self, run_id: str) -> pd.DataFrame:
        """What changed when the pointer last moved to this run: table, key (values joined by |), column, before, after (text)."""
        row = self._known(run_id)
        m, d = models.pointer_moves, models.run_differences
        with self._reading() as conn:
            move = conn.execute(sa.select(sa.func.max(m.c.move_no)).where(m.c.to_run_no == row["run_no"])).scalar()
            chosen = sa.select(*(d.c[n] for n in COLUMNS)).where(d.c.move_no == move).order_by(d.c.ordinal)
            lines = conn.execute(chosen).all()
        return pd.DataFrame(lines, columns=list(COLUMNS), dtype="str")


def _run(row: Any) -> Run:
    names = (
        "run_id",
        "day",
        "city",
        "standard_id",
        "standard_version",
        "editions",
        "inputs",
        "code_version",
        "created_at",
        "seconds",
        "standard_edition",
    )
    return Run(**{n: row[n] for n in names})
