"""Who was on duty when, from the roster and the standard: outside of it nobody's position is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gis.crew import build_crew

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from dashboards.scope import Duty, ScopedStore
    from gis.crew import Crew
    from gis.standard import Standard

COLUMNS = ("person_id", "device_id", "from_ms", "to_ms")


def duty_frame(crew: Crew) -> pd.DataFrame:
    """Each stretch of time in which a person on duty carried a device: person_id, device_id, from_ms, to_ms (UTC, half open)."""
    rows: list[tuple[Any, ...]] = []
    for carry in crew.carries:
        person = crew.persons[carry.person_ix]
        for start, end in person.duty:
            low, high = max(start, carry.start_ms), min(end, carry.end_ms)
            if low < high:
                rows.append((person.person_id, carry.device_id, low, high))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"from_ms": "int64", "to_ms": "int64"})


def roster_duty(standard: Standard, zone: ZoneInfo) -> Duty:
    """Duty by the roster that `data` may see, under the standard of the day's run, else under `standard`, the present one."""

    def duty(data: ScopedStore, day: date) -> pd.DataFrame:
        tables: dict[str, Any] = {
            t: data.read(t, day) for t in ("persons", "devices", "assignments", "responsibilities", "exceptions")
        }
        return duty_frame(build_crew(day, zone, data.applied(day, standard).standard, **tables))

    return duty
