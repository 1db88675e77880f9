"""Live evidence: the passes, patrols and rounds of a day that is under way, replaced as a whole at every step and never an audit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers import models
from layers.store import steps
from layers.store.base import Live, Run
from layers.store.passes import SCHEMA as PASSES
from layers.store.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

TABLES: dict[str, pa.Schema] = {
    "passes": PASSES,
    "patrols": pa.schema([("section_id", pa.string()), ("completed_ms", pa.int64())]),
    "windows": pa.schema(
        [
            ("section_id", pa.string()),
            ("starts_ms", pa.int64()),
            ("ends_ms", pa.int64()),
            ("person_ids", pa.string()),
            ("named_by", pa.string()),
            ("outcome", pa.string()),
            ("missing", pa.string()),
            ("reached_ms", pa.int64()),
        ]
    ),
    "rounds": pa.schema([("grid_id", pa.string()), ("completed_ms", pa.int64())]),
}
"""What live evidence holds: passes; full patrols of sections; the windows as an audit judges them so far, each with the moment at which
what it asks for was reached (-1: not yet); rounds of work grids."""

_BEAT = "follow"
_NOTE = "note "


def newer(run: Run | None, live: Live | None) -> Run | Live | None:
    """Which of the two rests on more of the day's positions (they are only ever added); of equals the audited run."""
    if run is None or live is None:
        return run or live
    held = sum(int(i.get("rows") or 0) for i in run.inputs if i.get("name") == f"positions {run.day}")
    return live if live.positions > held else run


def _conform(tables: Mapping[str, pa.Table]) -> dict[str, bytes]:
    """Each table in its schema, as bytes of Arrow's stream format.

    Raises:
        InputError: tables or columns are missing or unknown, or do not fit.
    """
    if set(tables) != set(TABLES):
        names = ", ".join(sorted(set(tables) ^ set(TABLES)))
        raise InputError(Fault("live.tables", f"实时依据的表不对：{names}", f"live evidence: wrong tables: {names}"))
    out = {}
    for name, schema in TABLES.items():
        try:
            made = tables[name].select(schema.names).cast(schema)
        except (KeyError, pa.ArrowInvalid) as error:
            raise InputError(
                Fault("live.columns", f"实时依据 {name} 不符：{error}", f"live evidence {name}: {error}")
            ) from error
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(made)
        out[name] = sink.getvalue().to_pybytes()
    return out


class LiveEvidence(Runs):
    """Putting, reading and dropping of live evidence: rows of the catalogue in both stores."""

    def put_live(self, live: Live, tables: Mapping[str, pa.Table]) -> Live:
        """Store the live evidence of a day in place of what was there, in one transaction (see the port).

        Raises:
            InputError: the tables break `layers.store.live.TABLES`.
            StoreError: the store is not reachable, not prepared or busy.
        """
        self._ready()
        bodies, days, parts = _conform(tables), models.live_days, models.live_tables
        with self._locked(f"live:{live.day.isoformat()}"):
            with self._transaction() as conn:
                made = Live(**{n: getattr(live, n) for n in _NAMES}, made_at=self._moment(), serial=self._serial(conn))
                for table in (parts, days):
                    conn.execute(sa.delete(table).where(table.c.day == live.day))
                conn.execute(
                    sa.insert(days).values(
                        day=made.day, serial=made.serial, until_ms=made.until_ms, positions=made.positions, made_at=made.made_at,
                        editions=dict(made.editions), code_version=made.code_version, seconds=dict(made.seconds),
                    )
                )  # fmt: skip
                conn.execute(sa.insert(parts), [{"day": made.day, "name": n, "body": b} for n, b in bodies.items()])
                steps.reached("live.before_commit")
            steps.reached("live.committed")
        return made

    def _serial(self, conn: sa.Connection) -> int:
        """A number that no evidence had before, also of days that were dropped."""
        meta = models.store_meta
        found = conn.execute(sa.select(meta.c.value).where(meta.c.key == "live_serial")).scalar()
        self._say(conn, "live_serial", str(int(found or 0) + 1))
        return int(found or 0) + 1

    @staticmethod
    def _say(conn: sa.Connection, key: str, value: str) -> None:
        meta = models.store_meta
        if conn.execute(sa.update(meta).where(meta.c.key == key).values(value=value)).rowcount == 0:
            conn.execute(sa.insert(meta).values(key=key, value=value))

    def live(self, day: date) -> Live | None:
        """The live evidence of a day, None where there is none."""
        d = models.live_days
        with self._reading() as conn:
            row = conn.execute(sa.select(d).where(d.c.day == day)).mappings().first()
        return None if row is None else _live(row)

    def live_days(self) -> list[date]:
        """Days that have live evidence, ascending."""
        with self._reading() as conn:
            return list(conn.execute(sa.select(models.live_days.c.day).order_by(models.live_days.c.day)).scalars())

    def live_tables(self, day: date, names: Iterable[str]) -> tuple[Live, dict[str, pa.Table]] | None:
        """A day's live evidence with some of its tables (`layers.store.live.TABLES`), all of one step; None where there is none.

        Raises:
            InputError: there is no such table.
        """
        wanted = list(names)
        if unknown := sorted(set(wanted) - set(TABLES)):
            text = ", ".join(unknown)
            raise InputError(Fault("live.tables", f"实时依据没有表 {text}", f"live evidence has no table {text}"))
        d, p = models.live_days, models.live_tables
        chosen = (
            sa.select(d, p.c.name, p.c.body).join(p, p.c.day == d.c.day).where(d.c.day == day, p.c.name.in_(wanted))
        )
        with self._reading() as conn:
            rows = conn.execute(chosen).mappings().all()  # one statement sees one step
        if not rows:
            return None
        return _live(rows[0]), {r["name"]: _table(r["body"]) for r in rows}

    def drop_live(self, day: date) -> None:
        """Remove the live evidence of a day; nothing happens where there is none."""
        self._ready()
        with self._locked(f"live:{day.isoformat()}"), self._transaction() as conn:
            for table in (models.live_tables, models.live_days):
                conn.execute(sa.delete(table).where(table.c.day == day))

    # --- what the program remembers ---
    def remember(self, key: str, text: str) -> None:
        """Keep a text under a key in place of what was there."""
        self._ready()
        with self._locked("note"), self._transaction() as conn:
            self._say(conn, f"{_NOTE}{key}", text)

    def recall(self, key: str) -> str | None:
        """What `remember` was told last, None where it was told nothing."""
        meta = models.store_meta
        with self._reading() as conn:
            found = conn.execute(sa.select(meta.c.value).where(meta.c.key == f"{_NOTE}{key}")).scalar()
        return None if found is None else str(found)

    # --- the follower's state ---
    def beat(self, state: Mapping[str, Any]) -> None:
        """Tell how the following of positions stands (JSON values); the last one counts, with the moment it was told."""
        self._ready()
        body = json.dumps({"at_ms": int(self._moment().timestamp() * 1000), **state}, ensure_ascii=False)
        with self._locked("follow"), self._transaction() as conn:
            self._say(conn, _BEAT, body)

    def last_beat(self) -> dict[str, Any] | None:
        """What `beat` was told last, with `at_ms` (UTC); None where nobody ever followed."""
        meta = models.store_meta
        with self._reading() as conn:
            text = conn.execute(sa.select(meta.c.value).where(meta.c.key == _BEAT)).scalar()
        return None if text is None else dict(json.loads(text))


def _live(row: Any) -> Live:
    return Live(**{n: row[n] for n in (*_NAMES, "made_at", "serial")})


def _table(body: bytes) -> pa.Table:
    with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
        return stream.read_all()


_NAMES = ("day", "until_ms", "positions", "editions", "code_version", "seconds")
