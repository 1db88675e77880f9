"""One reader a table: the registry through which every load finds it. A reader is imported when its table is first read."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.base import Context, PositionRead, Reader
    from layers.city import Source

_READERS = {
    "areas": "etl.readers.polygons:read_areas",
    "road_edges": "etl.readers.roads:read_road_edges",
    "work_grids": "etl.readers.polygons:read_work_grids",
    "community_grids": "etl.readers.polygons:read_community_grids",
    "unit_grids": "etl.readers.polygons:read_unit_grids",
    "units": "etl.readers.roster:read_units",
    "persons": "etl.readers.roster:read_persons",
    "devices": "etl.readers.roster:read_devices",
    "assignments": "etl.readers.roster:read_assignments",
    "responsibilities": "etl.readers.roster:read_responsibilities",
    "exceptions": "etl.readers.exceptions:read_exceptions",
    "cases": "etl.readers.cases:read_cases",
    "checkins": "etl.readers.checkins:read_checkins",
    "scenes": "etl.readers.scenes:read_scenes",
    "positions": "etl.readers.positions:read_positions",
}

ORDER = tuple(_READERS)
"""Tables in the order in which they are loaded: what later readers look at comes first."""


def _find(table: str) -> object:
    module, name = _READERS[table].split(":")
    return getattr(import_module(module), name)


def reader_of(table: str) -> Reader:
    """The reader of a table (all but positions).

    Raises:
        KeyError: no such table.
    """
    return cast("Reader", _find(table))


def position_reader() -> Callable[[Source, Context], PositionRead]:
    """The reader of positions, which streams."""
    return cast("Callable[[Source, Context], PositionRead]", _find("positions"))
