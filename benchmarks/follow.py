"""What a step of the follower costs, and whether its passes are those of an audit: a day of the sample county, as its positions arrived.

    python benchmarks/follow.py [--steps 48]

The county is made, loaded and audited as `xuncha demo` does. Then one follower (`etl/follow.py`) steps through the day: at evenly spaced
moments of its duty time, and last at its end, it sees the positions that had arrived by then. The first step knows nothing and compiles or
loads the kernels; it is told apart. After the last step its passes are compared with those of the audit, every column of every row.
`cpu` is processor time, so that other work on the machine counts less; its parts are wall time.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etl.follow import Follower
from etl.load import load_city
from etl.pipeline import audit_days
from etl.sample import write_sample_county
from gis.calendar import day_bounds
from layers.city import load_city_file
from layers.store import open_store

if TYPE_CHECKING:
    from layers.city import City
    from layers.store.base import Store

DAY = date(2026, 3, 18)
OPENS, CLOSES = "08:00", "18:30"


class Arrived:
    """The positions of a store that had arrived by a moment."""

    def __init__(self, whole: Any) -> None:
        self._whole, self.by_ms = whole, 0
        self._arrived_ms = np.sort(whole.scan(DAY)["arrived_ms"].to_numpy())

    def count(self, _: date) -> int:
        return int(np.searchsorted(self._arrived_ms, self.by_ms))

    def scan(self, day: date, **asked: Any) -> Any:
        return self._whole.scan(day, arrived_before_ms=self.by_ms, **asked)


class AsOf:
    """A store as it was at a moment."""

    def __init__(self, store: Any) -> None:
        self._store, self.positions = store, Arrived(store.positions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def steps_of(city: City, store: Store, count: int) -> pd.DataFrame:
    """One follower through the day: per step the positions known, processor time, and wall seconds of its parts."""
    opens, closes = (int(pd.Timestamp(f"{DAY} {t}", tz=city.zone).timestamp() * 1000) for t in (OPENS, CLOSES))
    seen = AsOf(store)
    follower = Follower(city, seen)  # type: ignore[arg-type] (a store in all that it asks for)
    rows = []
    for moment in [*np.linspace(opens, closes, count - 1).astype(int).tolist(), day_bounds(DAY, city.zone)[1]]:
        seen.positions.by_ms = moment
        begun = time.process_time()
        live = follower.step(DAY)
        if live is not None:
            rows.append({"positions": live.positions, "cpu": time.process_time() - begun, **live.seconds})
    return pd.DataFrame(rows)


def report(steps: pd.DataFrame) -> str:
    """Medians of the first step, of thirds of the others, and of the last."""
    thirds = np.array_split(np.arange(1, len(steps) - 1), 3)
    parts = [np.array([0]), *thirds, np.array([len(steps) - 1])]
    lines = ["| steps | positions known | cpu s | read | match | rules |", "|---" * 6 + "|"]
    for part in parts:
        known, middle = int(steps["positions"].iloc[part[-1]]), steps.iloc[part].median()
        seconds = " | ".join(f"{middle[c]:.2f}" for c in ("cpu", "read", "match", "rules"))
        lines.append(f"| {part[0] + 1}-{part[-1] + 1} | {known:,} | {seconds} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=48)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xuncha-bench-") as folder:
        city = load_city_file(write_sample_county(folder))
        store = open_store(city.store_url, timezone=city.timezone)
        store.prepare()
        load_city(city, store)
        run = audit_days(city, store, [DAY])[0]
        steps = steps_of(city, store, given.steps)
        found, audited = store.live_tables(DAY, ["passes"])[1]["passes"].combine_chunks(), store.passes(run.run_id)
        devices = len(set(store.positions.scan(DAY)["device_id"].to_pylist()))
        store.close()
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{platform.machine()}, {load}, Python {platform.python_version()}; {devices} devices, {len(steps)} steps\n")
    print(report(steps))
    same = found.equals(audited)
    print(f"\npasses after the last step: {len(found):,}, of the audit: {len(audited):,}; equal: {same}")
    sys.exit(not same)


if __name__ == "__main__":
    main()
