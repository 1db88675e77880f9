"""Fitted calibrations by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gis.calibration_fitted import TABLES
from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    from gis.calibration import CalibrationTable


def table_named(version: str) -> CalibrationTable:
    """The table of a version.

    Raises:
        SettingsError: no such table.
    """
    for table in TABLES:
        if table.version == version:
            return table
    known = "、".join(t.version for t in TABLES)
    raise SettingsError(
        Fault(
            "standard.calibration", f"没有名为 {version} 的校准表", f"there is no calibration {version}", f"可用：{known}",
            f"known: {known}", column="calibration.calls",
        )
    )  # fmt: skip


def latest() -> CalibrationTable:
    """The newest table."""
    return TABLES[-1]
