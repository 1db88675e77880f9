"""Children of the crash tests: each does one write on a store and kills itself (SIGKILL) when it comes to the step named.

Each line on standard input is a child: url, what (positions, table, publish), step ("-" for none), as JSON; it is forked from this process, so
that the libraries are imported once. Lines on standard output: "pid N", "writing" when the child begins to write, "done" at its end, "exit N" (negative: its signal).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import date

import store_samples as samples

import layers.store.embedded
import layers.store.postgres  # noqa: F401 (both before any child is made)
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


def say(text):
    os.write(1, f"{text}\n".encode())


def live(url, what, step):
    def die(reached):
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.reached = die
    store = open_store(url)
    store.prepare()
    say("writing")
    write(store, what)
    say("done")
    store.close()


def main():
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                live(*json.loads(line))
                code = 0
            finally:
                os._exit(code)
        say(f"pid {pid}")
        say(f"exit {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")


if __name__ == "__main__":
    main()
