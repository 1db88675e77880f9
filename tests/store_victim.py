"""Child of the crash tests: does one write on a store and kills itself (SIGKILL) when it comes to the step named on the command line.

Arguments: url, what (positions, table, publish), step ("-" for none). Prints "writing" when it begins, "done" at the end.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import date

import store_samples as samples

from layers.store import open_store, steps
from layers.store.base import SourceRecord

ROWS = 60_000


def batches():
    rows = samples.positions(ROWS, seed=9, span_ms=2 * 86_400_000)  # two days: two files, two partitions
    return [rows.slice(0, ROWS // 2), rows.slice(ROWS // 2)]


def write(store, what):
    if what == "positions":
        store.positions.load(
            iter(batches()), SourceRecord("p", "positions", "new.csv", "ef", ROWS), samples.NO_QUARANTINE
        )
    elif what == "table":
        frame = samples.grids([f"g{i}" for i in range(3000)])
        store.load(
            frame,
            SourceRecord("g", "work_grids", "new.shp", "ef", 3000),
            samples.NO_QUARANTINE,
            valid_from=date(2026, 1, 1),
        )
    else:
        tables = {"grid_days": samples.grid_days(["missed"] * 20)}
        store.publish(samples.run("new"), tables, [samples.passes(50_000, seed=4)])


def main():
    url, what, step = sys.argv[1:]

    def die(reached):
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.reached = die
    store = open_store(url)
    store.prepare()
    sys.stdout.write("writing\n")
    sys.stdout.flush()
    write(store, what)
    sys.stdout.write("done\n")
    store.close()


if __name__ == "__main__":
    main()
