"""The application's ledgers: accounts, access log, confirmations. Rows are appended, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers import models
from layers.store.live import LiveEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping


def _ledger(name: str) -> sa.Table:
    if name not in models.LEDGERS:
        names = ", ".join(models.LEDGERS)
        raise InputError(
            Fault("ledger.unknown", f"没有台账 {name}", f"no ledger {name!r}", f"可用：{names}", f"use one of: {names}")
        )
    return models.LEDGERS[name]


class Ledgers(LiveEvidence):
    """Appending to and reading of ledgers."""

    def ledger_append(self, ledger: str, *rows: Mapping[str, Any]) -> None:
        """Append rows (JSON values; `at`, an aware datetime, if it is not now), all or none.

        Raises:
            InputError: no such ledger, or `at` is not an aware datetime.
            StoreError: the store is not reachable, not prepared or busy.
        """
        table = _ledger(ledger)
        self._ready()
        made = []
        for row in rows:
            at = row.get("at", None) or self._moment()
            if not isinstance(at, datetime) or at.tzinfo is None:
                raise InputError(Fault("time.naive", f"时间没有时区：{at}", f"time without zone: {at}", column="at"))
            made.append({"at": at, "body": {k: v for k, v in row.items() if k != "at"}})
        with self._locked(f"ledger:{ledger}"), self._transaction() as conn:
            conn.execute(sa.insert(table), made)

    def ledger(self, ledger: str, *, where: Mapping[str, Any] | None = None, limit: int = 1000) -> pd.DataFrame:
        """Rows of a ledger, newest first; column `at` (UTC) and `body` spread into columns.

        `where` maps keys of the body to a text, number, truth value or None; the filter runs in the database.
        """
        table = _ledger(ledger)
        chosen = sa.select(table.c.at, table.c.body).order_by(table.c.seq.desc()).limit(limit)
        for key, value in (where or {}).items():
            chosen = chosen.where(table.c.at == value if key == "at" else _matches(table.c.body[key], value))
        with self._reading() as conn:
            rows = conn.execute(chosen).all()
        spread = pd.DataFrame([r.body for r in rows])
        at = pd.Series(pd.DatetimeIndex([r.at for r in rows], tz="UTC").as_unit("ms"))
        spread.insert(0, "at", at)
        return spread


def _matches(entry: Any, value: Any) -> sa.ColumnElement[bool]:
    if value is None:
        return sa.or_(entry.as_string().is_(None), entry.as_string() == "null")
    if isinstance(value, bool):
        return entry.as_boolean() == value  # type: ignore[no-any-return]
    if isinstance(value, (int, float)):
        return entry.as_float() == float(value)  # type: ignore[no-any-return]
    return entry.as_string() == str(value)  # type: ignore[no-any-return]
