"""Fit the calibration of rounds anew: python benchmarks/fit_rounds.py rounds-2027.1 > fitted.py (eight minutes of processor time).

Then move it to gis/rounds_fitted.py and name the version in the standard (calibration.rounds). `--check` instead prints what the table
gives on days in no fit, and what one fitted on the other networks gives on each: the table of docs/method.md, section 7. Needs the real
data (XUNCHA_DATA). Days of the fit, of the choice and of the report (docs/accuracy.md) are never the same, see etl/evaluate_rounds.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

from etl.city_network import ground_of
from etl.evaluate_rounds import (
    CHOICE_DAYS,
    DOUBT_COVERED,
    DOUBT_MISSED,
    FIT_DAYS,
    INTERVALS_S,
    NOISES_M,
    Day,
    RoundsFound,
    called_rounds,
    cut_ground,
    evaluate_rounds,
    fit_rounds,
    fitted_on,
    joined_rounds,
    rounds_source,
)
from etl.sample import write_sample_county
from gis.calibration_tables import latest_rounds
from layers.city import load_city_file

ROOT = Path(__file__).resolve().parents[1]
DAY = date(2026, 3, 18)


def tell(stage: str, done: int, total: int | None) -> None:
    """Progress to stderr."""
    sys.stderr.write(f"\r{os.getpid()} {stage} {done}/{total or '?'}   ")


def simulated(day: Day) -> RoundsFound:
    """One simulated day of a place: every other condition of interval and noise, so that all of both occur."""
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        county = day.place == "county"
        city = load_city_file(write_sample_county(folder) if county else ROOT / f"examples/{day.place}/city.toml")
        with ground_of(city, DAY, progress=tell) as whole:
            ground = cut_ground(whole, cell_m=day.cell_m, radius_m=day.radius_m) if day.cell_m else whole
            found = []
            for k, noise_m in enumerate(NOISES_M):
                times = tuple(s for j, s in enumerate(INTERVALS_S) if (j + k + day.seed) % 2 == 0)
                found.append(
                    evaluate_rounds(ground, seeds=(day.seed,), intervals_s=times, noises_m=(noise_m,), progress=tell)
                )
            return joined_rounds(found)


def check() -> None:
    """Print what the limits give, and how a table fares on a network that it was not fitted on."""
    days = (*CHOICE_DAYS, *FIT_DAYS)
    with ProcessPoolExecutor() as pool:
        found = dict(zip(days, pool.map(simulated, days), strict=True))
    limits = {"doubt_missed": DOUBT_MISSED, "doubt_covered": DOUBT_COVERED}
    print(
        "| table | day | missed: precision, recall | covered: precision, recall | unknown | bounds hold |\n"
        + "|---" * 6
        + "|"
    )
    for day in days:
        others = [found[d] for d in FIT_DAYS if d.place != day.place or (d.cell_m == 0) != (day.cell_m == 0)]
        left_out = fit_rounds(others, version="", fitted_on="", **limits) if day in FIT_DAYS else latest_rounds()
        w = called_rounds(found[day], left_out)
        cells = []
        for call in ("missed", "covered"):
            hit = ((w["call"] == call) & (w["truth"] == call)).sum()
            cells.append(
                f"{hit / max((w['call'] == call).sum(), 1):.3f}, {hit / max((w['truth'] == call).sum(), 1):.3f}"
            )
        held = ((w["certain"] <= w["truth_rounds"]) & (w["truth_rounds"] <= w["possible"])).mean()
        name = "the others" if day in FIT_DAYS else latest_rounds().version
        print(
            f"| {name} | {day.words()} | {cells[0]} | {cells[1]} | {(w['call'] == 'unknown').mean():.3f} | {held:.3f} |"
        )


def main(version: str) -> None:
    """Write the module to stdout."""
    if version == "--check":
        check()
        return
    with ProcessPoolExecutor() as pool:
        days = list(pool.map(simulated, FIT_DAYS))
    table = fit_rounds(
        days, version=version, fitted_on=fitted_on(FIT_DAYS), doubt_missed=DOUBT_MISSED, doubt_covered=DOUBT_COVERED
    )
    sys.stdout.write(rounds_source(table))


if __name__ == "__main__":
    main(sys.argv[1])
