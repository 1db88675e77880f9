"""Fit the calibration anew: python benchmarks/fit_calibration.py simulated-2027.1 > fitted.py (half an hour of processor time).

Then move it to gis/calibration_fitted.py and name the version in the standard. Needs the real data (XUNCHA_DATA): what was fitted on one
network alone is too sure of itself on others, so days of Beijing and Guangzhou are in the fit. Days of the fit and of the report
(docs/accuracy.md) are never the same, see the seeds in etl/evaluate.py; of Beijing and Guangzhou not even the streets: the fit takes
60 km beyond the 150 km next to the middle, the report the 60 km next to it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

from etl.city_network import ground_of
from etl.evaluate import DENSE, FIT_SEEDS, Evaluation, calibration_source, evaluate, fit_calibration
from etl.evaluate_networks import beyond, part_of
from etl.sample import write_sample_county
from layers.city import load_city_file

ROOT = Path(__file__).resolve().parents[1]
COUNTY = "sample county"
NETWORKS = {"Beijing": ROOT / "examples/beijing/city.toml", "Guangzhou": ROOT / "examples/guangzhou/city.toml"}
NETWORK_SEEDS = {"Beijing": (803, 804), "Guangzhou": (803,)}  # a day of Guangzhou takes five times as long
LEFT_KM, PART_KM = 150.0, 60.0
DAY = date(2026, 3, 18)
TASKS = [*((n, s) for n, seeds in NETWORK_SEEDS.items() for s in seeds), *((COUNTY, s) for s in FIT_SEEDS)]
TASKS.sort(key=lambda task: task[0] != "Guangzhou")  # the longest first


def tell(stage: str, done: int, total: int | None) -> None:
    """Progress to stderr."""
    sys.stderr.write(f"\r{os.getpid()} {stage} {done}/{total or '?'}   ")


def simulated_day(place: str, seed: int) -> Evaluation:
    """One simulated day of a place, under all conditions, by the rules alone."""
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        city = load_city_file(write_sample_county(folder) if place == COUNTY else NETWORKS[place])
        with ground_of(city, DAY, progress=tell) as whole:
            ground = whole if place == COUNTY else part_of(beyond(whole, LEFT_KM), budget_km=PART_KM).ground
            return evaluate(ground, seeds=(seed,), also=DENSE, progress=tell)


def fitted_on() -> str:
    """Where a table comes from, in words."""
    seeds = {COUNTY: FIT_SEEDS} | {f"a part of {n}": s for n, s in NETWORK_SEEDS.items()}
    return "; ".join(f"{place}, seeds {' '.join(map(str, s))}" for place, s in seeds.items())


def main(version: str) -> None:
    """Write the module to stdout."""
    with ProcessPoolExecutor() as pool:
        days = list(pool.map(simulated_day, *zip(*TASKS, strict=True)))
    sys.stdout.write(calibration_source(fit_calibration(days, version=version, fitted_on=fitted_on())))


if __name__ == "__main__":
    main(sys.argv[1])
