"""`xuncha evaluate`: how often the audit errs on a city's own network, or on that of the sample county where none is given."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import geopandas as gpd

from etl.accuracy import report
from etl.base import silent
from etl.evaluate import (
    INTERVALS_S,
    NOISES_M,
    TEST_SEEDS,
    Evaluation,
    Ground,
    calibration_source,
    evaluate,
    fit_calibration,
)
from etl.inputs import DayTables, standard_of
from etl.load import load_city
from etl.network_stage import network_for
from etl.sample import write_sample_county
from gis.calibration_tables import latest
from gis.errors import Fault, ImpossibleError
from layers.city import load_city_file
from layers.store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.base import Progress
    from layers.city import City
    from layers.store.base import Store

WORKDAY = date(2026, 3, 18)
_NEEDED = ("areas", "road_edges", "work_grids", "community_grids", "units", "persons", "devices", "responsibilities")


@dataclass(frozen=True, slots=True, eq=False)
class CityEvaluation:
    """The report in Markdown, and the evaluation that it rests on."""

    markdown: str
    evaluation: Evaluation


def ground_of(city: City, store: Store, day: date) -> Ground:
    """The network of a loaded city on a working day.

    Raises:
        ImpossibleError: no road of it has a rule.
    """
    tables, standard = DayTables(store, day), standard_of(city)
    network, _ = network_for(city, store, tables, standard)
    if not network.sections["rule_id"].isin(list(standard.road_rules())).any():
        raise ImpossibleError(
            Fault(
                "evaluate.rules", "路网中没有适用巡查规则的道路,无法评估", "no road of the network has a rule: nothing to evaluate",
                "检查 [roads.classes] 与范围", "check [roads.classes] and the scope", file=city.path.name,
            )
        )  # fmt: skip
    return Ground(network, standard, city.zone, day, gpd.GeoDataFrame(tables["work_grids"]))


def evaluate_city(
    city_file: Path | None = None,
    *,
    day: date = WORKDAY,
    seeds: Sequence[int] = TEST_SEEDS,
    intervals_s: Sequence[float] = INTERVALS_S,
    noises_m: Sequence[float] = NOISES_M,
    command: str = "xuncha evaluate",
    progress: Progress = silent,
) -> CityEvaluation:
    """Simulate days on a city's network, audit them with and without calibration, and report.

    Args:
        city_file: a loaded city; None for the sample county, made in a temporary folder.
        day: a working day.
        seeds: simulated days; those of the fit (`etl.evaluate.FIT_SEEDS`, `HONEST_SEEDS`) must not be among them.
        intervals_s: times between fixes.
        noises_m: noises of the fixes.
        command: how the report says that it was made.
        progress: told how far it is.

    Raises:
        ImpossibleError: the city has no road with a rule.
    """
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        city = load_city_file(city_file if city_file is not None else write_sample_county(folder))
        ground = _ground(city, day, progress, fresh=city_file is None)
    began = time.monotonic()
    options: dict[str, Any] = {"seeds": seeds, "intervals_s": intervals_s, "noises_m": noises_m, "progress": progress}
    found = evaluate(ground, table=latest(), **options)
    text = report(
        found, place=city.name, today=datetime.now(UTC).date(), table=latest(), seconds=time.monotonic() - began,
        command=command,
    )  # fmt: skip
    return CityEvaluation(text, found)


def fit_to_sample(*, version: str, progress: Progress = silent) -> str:
    """A new `gis/calibration_tables.py`, fitted on the sample county."""
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        city = load_city_file(write_sample_county(folder))
        ground = _ground(city, WORKDAY, progress, fresh=True)
    return calibration_source(fit_calibration(ground, version=version, fitted_on=city.name, progress=progress))


def _ground(city: City, day: date, progress: Progress, *, fresh: bool) -> Ground:
    """The ground of a city; one that was made just now is loaded first."""
    store = open_store(city.store_url, timezone=city.timezone)
    try:
        store.prepare()
        if fresh:
            load_city(city, store, only=_NEEDED, progress=progress)
        return ground_of(city, store, day)
    finally:
        store.close()
