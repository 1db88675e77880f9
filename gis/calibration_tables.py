"""Fitted calibrations by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gis.calibration_fitted import TABLES
from gis.errors import Fault, SettingsError
from gis.rounds_fitted import TABLES as ROUNDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gis.calibration import CalibrationTable


def table_named(version: str) -> CalibrationTable:
    """The table of a version, for windows of roads.

    Raises:
        SettingsError: no such table.
    """
    return _named(TABLES, version, "calibration.calls")


def rounds_table_named(version: str) -> CalibrationTable:
    """The table of a version, for rounds of grids.

    Raises:
        SettingsError: no such table.
    """
    return _named(ROUNDS, version, "calibration.rounds")


def _named(tables: Sequence[CalibrationTable], version: str, setting: str) -> CalibrationTable:
    for table in tables:
        if table.version == version:
            return table
    known = "、".join(t.version for t in tables)
    raise SettingsError(
        Fault(
            "standard.calibration", f"没有名为 {version} 的校准表", f"there is no calibration {version}", f"可用：{known}",
            f"known: {known}", column=setting,
        )
    )  # fmt: skip


def latest() -> CalibrationTable:
    """The newest table for windows of roads."""
    return TABLES[-1]


def latest_rounds() -> CalibrationTable:
    """The newest table for rounds of grids."""
    return ROUNDS[-1]
