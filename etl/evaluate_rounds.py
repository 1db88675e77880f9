"""How often rounds of work grids are judged wrongly: simulated days with known rounds, audited and held against their truth."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl.evaluate import USUAL, calibration_source
from gis.calibration import CalibrationTable, Doubt, fit
from gis.cutting import cut_cells
from gis.matching import Matcher
from gis.model import Mode
from gis.rehearsal import match, observe
from gis.rehearsal_rounds import judge_rounds, rehearse_rounds
from gis.rounds_calibration import Counted, calls, chances, features, likely_rounds, unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from etl.base import Progress
    from etl.evaluate import Ground

    I8 = npt.NDArray[np.int64]

INTERVALS_S = (5.0, 15.0, 30.0, 60.0, 120.0)
NOISES_M = (3.0, 8.0, 15.0, 30.0)
MODES = (Mode.FOOT, Mode.EBIKE)
# Chosen on CHOICE_DAYS (benchmarks/fit_rounds.py --check): what falls short even at most is hardly ever wrong, so the limits are mild.
DOUBT_MISSED, DOUBT_COVERED = Doubt(0.05), Doubt(0.95)
BEYOND = 3  # numbers of rounds beyond the required one that are fitted


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day: place and seed; where grids are cut (0: the place has its own), the side of the cells and half that of the cut."""

    place: str
    seed: int
    cell_m: float = 0.0
    radius_m: float = 0.0

    def words(self) -> str:
        """For people."""
        return f"{self.place}{f', cells of {self.cell_m:g} m' if self.cell_m else ''}, seed {self.seed}"


FIT_DAYS = (
    Day("guangzhou", 803, 1500.0, 3750.0), Day("beijing", 803, 600.0, 1500.0), Day("county", 101),
    Day("county", 102, 500.0, 2000.0),
)  # fmt: skip
CHOICE_DAYS = (Day("county", 401), Day("beijing", 801, 600.0, 1500.0))
TEST_SEEDS = (601,)


@dataclass(frozen=True, slots=True, eq=False)
class RoundsFound:
    """Rounds of grids as audited and as they were, one row a grid and condition.

    Attributes:
        grids: grid_id, rule_id, required, certain, possible, truth_rounds, outcome and cause by counting alone, mode, interval_s, noise_m,
            seed.
        counted: what the audit counted, in the same order.
    """

    grids: pd.DataFrame
    counted: Counted


def evaluate_rounds(
    ground: Ground,
    *,
    seeds: Sequence[int],
    intervals_s: Sequence[float] = INTERVALS_S,
    noises_m: Sequence[float] = NOISES_M,
    modes: Sequence[Mode] = MODES,
    progress: Progress | None = None,
) -> RoundsFound:
    """Simulate, audit by counting alone, and compare, over a grid of conditions.

    Args:
        ground: network, rules, day, work grids.
        seeds: one simulated day each, per mode.
        intervals_s: times between fixes.
        noises_m: standard deviations of the error on each axis.
        modes: how collectors move.
        progress: told how far it is.
    """
    if ground.work_grids is None:
        raise ValueError("no work grids to go round")  # noqa: TRY003, EM101 (a caller's error, no user's)
    matcher, found = Matcher(ground.network.graph), []
    conditions = [(i, n) for i in intervals_s for n in noises_m]
    place = (ground.standard, ground.day, ground.zone)
    for seed in seeds:
        for mode in modes:
            rng = np.random.default_rng([seed, int(mode), 11])
            day = rehearse_rounds(ground.network, *place, work_grids=ground.work_grids, mode=mode, rng=rng)
            true = judge_rounds(ground.network, day.moved.passes, day.crew, *place, work_grids=ground.work_grids)
            rounds = true.grid_days.set_index("grid_id")["completed_rounds"]
            for interval_s, noise_m in conditions:
                how = replace(USUAL, interval_s=interval_s, noise_m=noise_m)
                order = [seed, int(mode), int(interval_s * 10), int(noise_m * 10)]
                seen = observe(ground.network, day, how, rng=np.random.default_rng(order))
                passes, crew = match(ground.network, matcher, seen, day.crew, ground.standard)
                said = judge_rounds(ground.network, passes, crew, *place, work_grids=ground.work_grids)
                here: dict[str, Any] = {
                    "mode": mode.name.lower(),
                    "interval_s": interval_s,
                    "noise_m": noise_m,
                    "seed": seed,
                }
                for ids, counted in said.counted:
                    days = said.grid_days.set_index("grid_id").loc[ids].reset_index()
                    frame = pd.DataFrame(
                        {
                            "grid_id": ids, "rule_id": days["rule_id"], "required": days["required_rounds"].astype(np.int64),
                            "certain": counted.certain, "possible": counted.possible, "truth_rounds": rounds.loc[ids].to_numpy(),
                            "outcome": days["outcome"], "cause": days["cause"],
                        }
                    ).assign(**here)  # fmt: skip
                    found.append(RoundsFound(frame, counted))
                if progress is not None:
                    progress("rounds", len(found), len(seeds) * len(modes) * len(conditions))
    return joined_rounds(found)


def joined_rounds(found: Sequence[RoundsFound]) -> RoundsFound:
    """Several put together."""
    columns = {f.name: np.concatenate([getattr(x.counted, f.name) for x in found]) for f in fields(Counted)}
    return RoundsFound(pd.concat([f.grids for f in found], ignore_index=True), Counted(**columns))


def called_rounds(found: RoundsFound, table: CalibrationTable | None) -> pd.DataFrame:
    """The grids with `call` (as the audit makes it with a calibration), `truth`, `probability` and `likely`."""
    g = found.grids
    required = g["required"].to_numpy(dtype=np.int64)
    outcome = g["outcome"].to_numpy(dtype=object).copy()
    p = np.full(len(g), np.nan)
    if table is not None:
        p = chances(found.counted, np.arange(len(g)), required, table)
        given_up = unsupported(outcome, found.counted, p, table) & (g["cause"] != "no_rostered").to_numpy()
        outcome[given_up] = "unknown"
    truth = np.where(g["truth_rounds"].to_numpy() >= required, "covered", "missed")
    return g.assign(call=outcome, truth=truth, probability=p, likely=likely_rounds(found.counted, table))


def fit_rounds(
    days: Sequence[RoundsFound], *, version: str, fitted_on: str, doubt_missed: Doubt, doubt_covered: Doubt
) -> CalibrationTable:
    """A calibration of rounds fitted on simulated days: every grid asked about every number of rounds up to a few more than it owes."""
    rows, x, fold = [], [], []
    for nth, day in enumerate(days):
        required = day.grids["required"].to_numpy(dtype=np.int64)
        most = required + BEYOND
        grid = np.repeat(np.arange(len(required)), most)
        number = np.arange(len(grid)) - np.repeat(np.cumsum(most) - most, most) + 1
        truth = day.grids["truth_rounds"].to_numpy(dtype=np.int64)[grid] >= number
        call = calls(day.counted, grid, number)
        rows.append(pd.DataFrame({"call": call, "truth": np.where(truth, "covered", "missed")}))
        x.append(features(day.counted, grid, number))
        fold.append(np.full(len(grid), nth))
    models = fit(pd.concat(rows, ignore_index=True), np.concatenate(x), fold=np.concatenate(fold))
    return CalibrationTable(version, fitted_on, doubt_missed, doubt_covered, models)


def fitted_on(days: Sequence[Day]) -> str:
    """Where a table comes from, in words."""
    return "; ".join(d.words() for d in days)


def rounds_source(table: CalibrationTable) -> str:
    """A fitted table as the Python module `gis/rounds_fitted.py`."""
    text = calibration_source(table).replace("The fitted calibration.", "The fitted calibration of rounds.")
    return text.replace("benchmarks/fit_calibration.py", "benchmarks/fit_rounds.py")


def cut_ground(ground: Ground, *, cell_m: float, radius_m: float) -> Ground:
    """A ground whose work grids are square cells over the middle of its ruled streets, alternately central and fringe.

    Args:
        ground: network and rules.
        cell_m: side of the cells.
        radius_m: half of the side of the square that is cut.
    """
    network = ground.network
    graph = network.graph
    ruled = network.segments["patrollable"].to_numpy(dtype=bool)
    first, last = graph.vert_ptr[:-1], graph.vert_ptr[1:] - 1
    x, y = (graph.vert_x[first] + graph.vert_x[last]) / 2, (graph.vert_y[first] + graph.vert_y[last]) / 2
    mx, my = float(np.median(x[ruled])), float(np.median(y[ruled]))
    cells = cut_cells(shapely.box(mx - radius_m, my - radius_m, mx + radius_m, my + radius_m), cell_m=cell_m)
    at = np.full(len(x), -1)
    inside, of = shapely.STRtree(cells).query(shapely.points(x, y), predicate="intersects")
    at[inside] = of
    ids = np.array([*(f"N{i:03d}" for i in range(len(cells))), ""], dtype=object)
    grids = gpd.GeoDataFrame(
        {"grid_id": ids[:-1], "name": ids[:-1], "level": np.where(np.arange(len(cells)) % 2, "fringe", "central"), "town_id": None,
         "unit_id": None}, geometry=list(cells), crs=graph.crs,
    ).to_crs(4326)  # fmt: skip
    segments = network.segments.assign(work_grid_id=ids[at])
    return replace(ground, network=replace(network, segments=segments), work_grids=grids)
