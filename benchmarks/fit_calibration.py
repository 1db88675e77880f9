"""Fit the calibration anew: python benchmarks/fit_calibration.py simulated-2027.1 > gis/calibration_tables.py (about five minutes).

Days of the fit and of the report (docs/accuracy.md) are never the same: see the seeds in etl/evaluate.py.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date

from etl.city_network import ground_of
from etl.evaluate import FIT_SEEDS, HONEST_SEEDS, calibration_source, fit_calibration
from etl.sample import write_sample_county
from layers.city import load_city_file


def tell(stage: str, done: int, total: int | None) -> None:
    """Progress to stderr."""
    sys.stderr.write(f"\r{stage} {done}/{total or '?'}   ")


def main(version: str) -> None:
    """Write the module to stdout."""
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        city = load_city_file(write_sample_county(folder))
        with ground_of(city, date(2026, 3, 18), progress=tell) as ground:
            fitted_on = (
                f"{city.name}, seeds {' '.join(map(str, FIT_SEEDS))}, corrected on {' '.join(map(str, HONEST_SEEDS))}"
            )
            table = fit_calibration(ground, version=version, fitted_on=fitted_on, progress=tell)
    sys.stdout.write(calibration_source(table))


if __name__ == "__main__":
    main(sys.argv[1])
