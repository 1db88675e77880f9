"""What other limits of doubt would give: the table of docs/method.md, section 4a.

    python benchmarks/doubt_limits.py [--seeds 401] [--network examples/beijing/city.toml --seeds 801,802]

Simulated days of the sample county, or of the middle of another network, are judged by the rules alone; then each candidate limit is
laid on the probabilities of the latest calibration. A limit is chosen by days like these, never by those of the report
(docs/accuracy.md). About three minutes of processor time a day.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from etl.city_network import ground_of
from etl.evaluate import CHOICE_SEEDS, DENSE, DOUBT_COVERED, DOUBT_MISSED, Evaluation, evaluate
from etl.evaluate_networks import part_of
from etl.sample import write_sample_county
from gis.calibration import Doubt, doubted, probabilities
from gis.calibration_tables import latest
from layers.city import load_city_file

if TYPE_CHECKING:
    import numpy.typing as npt

AIM, PART_KM = 0.98, 60.0
CANDIDATES = {
    "missed": (
        Doubt(1.0),
        Doubt(0.03),
        Doubt(0.0125, 4.0, 0.05),
        DOUBT_MISSED,
        Doubt(0.015),
    ),
    "covered": (Doubt(0.0), Doubt(0.95), Doubt(0.97), Doubt(0.97, 4.0, 0.95), DOUBT_COVERED),
}


def tell(stage: str, done: int, total: int | None) -> None:
    """Progress to stderr."""
    sys.stderr.write(f"\r{stage} {done}/{total or '?'}   ")


def line(found: Evaluation, p: npt.NDArray[np.float64], call: str, limit: Doubt) -> str:
    """One row of the table: what a limit gives for a call."""
    kept = (found.windows["call"] == call).to_numpy() & ~doubted(call, p, found.x, limit)
    right = (found.windows["truth"] == call).to_numpy()
    by = (
        found.windows.assign(kept=kept, hit=kept & right)
        .groupby(["mode", "interval_s", "noise_m"])[["kept", "hit"]]
        .sum()
    )
    by = by[by["kept"] > 0]
    share = (by["hit"] / by["kept"]).to_numpy()
    low = np.argsort(share, kind="stable")[:3]
    worst = ", ".join(f"{share[k]:.3f} of {by['kept'].iloc[k]}" for k in low if share[k] < AIM)
    below = f"{(share < AIM).sum()} of {len(by)}" + (f" ({worst})" if worst else "")
    words = f"{limit.limit:g}" + (
        f"; {limit.limit_sure:g} from {limit.sure:g} nines" if np.isfinite(limit.sure) else ""
    )
    return f"| *{call}* {words} | {below} | {(kept & right).sum() / kept.sum():.3f} | {(kept & right).sum() / right.sum():.3f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default=",".join(map(str, CHOICE_SEEDS)))
    parser.add_argument("--network", help="city file of another network")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        city = load_city_file(given.network or write_sample_county(folder))
        with ground_of(city, date(2026, 3, 18), progress=tell) as ground:
            part = part_of(ground, budget_km=PART_KM).ground if given.network else ground
            found = evaluate(part, seeds=[int(s) for s in given.seeds.split(",")], also=DENSE, progress=tell)
    table = latest()
    w = found.windows
    p = probabilities(
        w["call"].to_numpy(dtype=object), found.x, table, unit=np.zeros(len(w), np.bool_),
        raw=w["probability"].to_numpy(dtype=float),
    )  # fmt: skip
    print(f"calibration {table.version}, seeds {given.seeds}, {len(w):,} windows\n")
    print("| limit of p | conditions below 0.98 (lowest) | precision | recall |\n" + "|---" * 4 + "|")
    for call, limits in CANDIDATES.items():
        for limit in limits:
            print(line(found, p, call, limit))


if __name__ == "__main__":
    main()
