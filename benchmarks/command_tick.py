"""What one tick of the command desk costs: the state at a moment, all parts, and the message to a browser that knows the tick before.

`python benchmarks/command_tick.py CITY.toml [--store URL] [--day 2026-03-18] [--scope county] [--ticks 600]`

One scope, one process. The first tick reads what the day needs and is told apart. The moments are spread over the duty time of the day, so
that almost each tick has other hotspots, roads and people than the one before: the hardest case, play at about 60×.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from datetime import date
from pathlib import Path

import numpy as np

from dashboards.app import create_desk
from dashboards.auth.principal import Principal, Scope
from dashboards.command_day import day_of
from dashboards.pages.command import command_state
from dashboards.server import city_settings
from dashboards.streams import Moment
from gis.calendar import day_bounds
from layers.city import load_city_file
from layers.store import open_store


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("city", type=Path)
    parser.add_argument("--store", default="")
    parser.add_argument("--day", type=date.fromisoformat, default=date(2026, 3, 18))
    parser.add_argument("--scope", default="county")
    parser.add_argument("--ticks", type=int, default=600)
    asked = parser.parse_args()
    city = load_city_file(asked.city)
    store = open_store(asked.store or city.store_url, timezone=city.timezone)
    store.prepare()
    desk = create_desk(store, city, city_settings(city))
    view = desk.view_of(Principal("benchmark", "command", Scope.parse(asked.scope)), "zh")
    began = time.perf_counter()
    g = day_of(view, asked.day).ground
    prepared = time.perf_counter() - began
    start = day_bounds(asked.day, view.zone)[0]
    minutes = np.linspace((g.duty_ms[0] - start) / 60_000, (g.duty_ms[1] - start) / 60_000 - 1, asked.ticks)
    last: Moment | None = None
    state_ms, message_ms, cpu_ms, sizes = [], [], [], []
    for minute in minutes.tolist():
        params = {"day": str(asked.day), "at": f"{minute:.3f}", "speed": "0", "span": "day"}
        t0, c0 = time.perf_counter(), time.thread_time()
        frame = command_state(view, params)
        t1 = time.perf_counter()
        moment = Moment(frame)
        text = moment.told(last)
        t2, c2 = time.perf_counter(), time.thread_time()
        last = moment
        state_ms.append((t1 - t0) * 1000)
        message_ms.append((t2 - t1) * 1000)
        cpu_ms.append((c2 - c0) * 1000)
        sizes.append(len(text.encode()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(g.sections)} sections, {len(g.section_of_segment)} segments, {len(g.grids)} work grids, {len(g.names)} persons"
    )
    print(f"{platform.machine()}, Python {platform.python_version()}, {asked.ticks} ticks, peak {peak:.0f} MiB")
    print(
        f"day prepared {prepared:.2f} s; first tick {state_ms[0]:.0f} + {message_ms[0]:.0f} ms, {sizes[0] / 1024:.0f} KiB"
    )
    total = np.array(state_ms[1:]) + np.array(message_ms[1:])
    for name, part in (
        ("state", state_ms[1:]),
        ("message", message_ms[1:]),
        ("both", total),
        ("processor", cpu_ms[1:]),
    ):
        p50, p95, top = np.percentile(part, [50, 95, 100])
        print(f"{name:10} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  max {top:6.1f} ms")
    p50, p95 = np.percentile(sizes[1:], [50, 95]) / 1024
    print(f"message size p50 {p50:.1f} KiB, p95 {p95:.1f} KiB")
    store.close()


if __name__ == "__main__":
    main()
