"""Memory of audits over days: peak memory of one process that audits 1, 3, 10 and 30 days, and of a day by its size.

    python benchmarks/memory.py [--days 1,3,10,30] [--positions 200000] [--sizes 100000,300000,1000000]

Network: central Beijing where XUNCHA_DATA is set, else the sample county; the same patrols every day, loaded one day after the other
before the process that is measured begins. A day is read, audited and published before the next one is read, so that the
peak must not grow with the days. The second table has one day of each size, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from audit import peak_mib, versions
from audit_day import DAY, DAY_MS, city_file, load_positions, opened, patrols, prepared

from etl.pipeline import audit_days


def load_days(base: Path, table: pa.Table, days: int) -> None:
    """The same positions on so many days from DAY on."""
    store = opened(base, None)[1]
    for n in range(days):
        moved = {c: pa.array(table[c].to_numpy() + n * DAY_MS) for c in ("t_ms", "arrived_ms")}
        load_positions(
            store, table.set_column(1, "t_ms", moved["t_ms"]).set_column(2, "arrived_ms", moved["arrived_ms"])
        )
    store.close()


def child(base: Path, days: int) -> dict[str, Any]:
    """Audits so many days in this process."""
    pa.set_cpu_count(1)
    city, store = opened(base, None)
    begun, imported = time.process_time(), peak_mib()
    peaks: list[float] = []
    audit_days(
        city, store, [DAY + timedelta(days=n) for n in range(days)], progress=lambda *_: peaks.append(peak_mib())
    )
    store.close()
    return {"imported": imported, "first": max(peaks[: len(peaks) // days + 1]), "peak": peak_mib(),
            "cpu_s": time.process_time() - begun}  # fmt: skip


def measure(base: Path, days: int) -> dict[str, Any]:
    """The same in a fresh process, on a copy of the city."""
    with tempfile.TemporaryDirectory(prefix="xuncha-bench-") as folder:
        place = Path(folder) / "city"
        shutil.copytree(base, place)
        command = [sys.executable, __file__, "--child", str(place), "--days", str(days)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", default="1,3,10,30")
    parser.add_argument("--positions", type=int, default=200_000, help="of one day")
    parser.add_argument("--sizes", default="100000,300000,1000000", help="of one day, for the slope")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.child, int(given.days))))
        return
    days = [int(n) for n in given.days.split(",")]
    with tempfile.TemporaryDirectory(prefix="xuncha-bench-") as folder:
        empty, base = Path(folder) / "empty", Path(folder) / "base"
        city_file(empty)
        city, store = opened(empty, None)
        graph = prepared(city, store)
        store.close()
        shutil.copytree(empty, base)
        table = patrols(graph, given.positions)[0]
        load_days(base, table, max(days))
        print(versions(None) + f"\n{table.num_rows:,} positions a day\n")
        print(
            "| days | positions | imported MiB | after the first day MiB | peak MiB | cpu s a day |\n"
            + "|---" * 6
            + "|"
        )
        for n in days:
            found = measure(base, n)
            line = " | ".join(f"{found[k]:,.0f}" for k in ("imported", "first", "peak"))
            print(f"| {n} | {n * table.num_rows:,} | {line} | {found['cpu_s'] / n:.2f} |", flush=True)
        print("\n| positions of one day | peak MiB |\n|---|---|")
        for size in map(int, given.sizes.split(",")):
            one = Path(folder) / f"one-{size}"
            shutil.copytree(empty, one)
            table = patrols(graph, size)[0]
            load_days(one, table, 1)
            print(f"| {table.num_rows:,} | {measure(one, 1)['peak']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
