"""Fit the calibration anew: python benchmarks/fit_calibration.py simulated-2027.1 > fitted.py (half an hour of processor time).

With --unit only the models of windows for which nobody answers are fitted, those of the others stay as they are (five minutes).
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
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etl.city_network import ground_of
from etl.evaluate import DENSE, FIT_SEEDS, Evaluation, calibration_source, evaluate, fit_calibration, fit_days
from etl.evaluate_networks import beyond, part_of
from etl.evaluate_unit import evaluate_unit
from etl.sample import write_sample_county
from gis.calibration_tables import latest
from gis.rehearsal import Habits
from layers.city import load_city_file

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
COUNTY = "sample county"
NETWORKS = {"Beijing": ROOT / "examples/beijing/city.toml", "Guangzhou": ROOT / "examples/guangzhou/city.toml"}
NETWORK_SEEDS = {"Beijing": (803, 804), "Guangzhou": (803,)}  # a day of Guangzhou takes five times as long
LEFT_KM, PART_KM = 150.0, 60.0
DAY = date(2026, 3, 18)
TASKS = [*((n, s) for n, seeds in NETWORK_SEEDS.items() for s in seeds), *((COUNTY, s) for s in FIT_SEEDS)]
TASKS.sort(key=lambda task: task[0] != "Guangzhou")  # the longest first
UNIT_TASKS = [*((COUNTY, s) for s in FIT_SEEDS), ("Beijing", 803)]
UNIT_SILENT = 0.03  # fewer phones silent than else: one silent phone of many leaves hardly a window to be called missed


def tell(stage: str, done: int, total: int | None) -> None:
    """Progress to stderr."""
    sys.stderr.write(f"\r{os.getpid()} {stage} {done}/{total or '?'}   ")


def simulated_day(place: str, seed: int, *, unit: bool = False) -> Evaluation:
    """One simulated day of a place, under all conditions, by the rules alone; `unit`: with nobody to answer."""
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        city = load_city_file(write_sample_county(folder) if place == COUNTY else NETWORKS[place])
        with ground_of(city, DAY, progress=tell) as whole:
            ground = whole if place == COUNTY else part_of(beyond(whole, LEFT_KM), budget_km=PART_KM).ground
            if unit:
                return evaluate_unit(ground, seeds=(seed,), habits=Habits(silent=UNIT_SILENT), progress=tell)
            return evaluate(ground, seeds=(seed,), also=DENSE, progress=tell)


def fitted_on(tasks: Sequence[tuple[str, int]]) -> str:
    """Where a table comes from, in words."""
    seeds: dict[str, list[int]] = {}
    for place, seed in sorted(tasks, key=lambda task: (task[0] != COUNTY, task)):
        seeds.setdefault(place if place == COUNTY else f"a part of {place}", []).append(seed)
    return "; ".join(f"{place}, seeds {' '.join(map(str, s))}" for place, s in seeds.items())


def main(version: str, *, unit_only: bool) -> None:
    """Write the module to stdout."""
    with ProcessPoolExecutor() as pool:
        alone = list(pool.map(partial(simulated_day, unit=True), *zip(*UNIT_TASKS, strict=True)))
        named = [] if unit_only else list(pool.map(simulated_day, *zip(*TASKS, strict=True)))
    table = (
        replace(latest(), version=version)
        if unit_only
        else fit_calibration(named, version=version, fitted_on=fitted_on(TASKS))
    )
    table = replace(table, unit_models=fit_days(alone), unit_fitted_on=fitted_on(UNIT_TASKS))
    sys.stdout.write(calibration_source(table))


if __name__ == "__main__":
    main(sys.argv[1], unit_only="--unit" in sys.argv)
