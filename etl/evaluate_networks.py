"""What `xuncha evaluate` prints: the sample county under every condition, or a part of any network, so that it ends in minutes."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.accuracy import network_section, report
from etl.city_network import ground_of
from etl.evaluate import DENSE, Ground, evaluate
from etl.evaluate_cases import evaluate_cases, evaluate_community
from etl.evaluate_demo import evaluate_demo
from etl.evaluate_rounds import TEST_SEEDS as ROUNDS_SEEDS
from etl.evaluate_rounds import called_rounds, evaluate_rounds
from etl.evaluate_unit import evaluate_unit
from etl.sample.write import write_sample_county
from gis.calibration_tables import latest, latest_rounds
from layers.city import load_city_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from etl.base import Progress
    from layers.city import City

QUICK: dict[str, Any] = {"seeds": (901,), "intervals_s": (10.0, 60.0), "noises_m": (8.0,)}
FEW: dict[str, Any] = {"seeds": (901,), "intervals_s": (15.0, 60.0, 180.0), "noises_m": (8.0, 30.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A ground cut down to what a budget allows.

    Attributes:
        ground: sections outside the part have no rule, grids without a judged section are left out; the streets are all there.
        km, km_all: length of the ruled sections in the part, and in the whole network.
        sections: how many are in the part.
    """

    ground: Ground
    km: float
    km_all: float
    sections: int


def part_of(ground: Ground, *, budget_km: float) -> Part:
    """The ruled sections nearest to the middle of all ruled sections, up to so many kilometres; everything where it is no more.

    Nearest by the straight line from the median of the sections' first nodes, so that the part is compact and its streets are as dense as
    they are there. Fixes are matched to all streets of the network.
    """
    network = ground.network
    sections = network.sections
    length_km = sections["length_mm"].to_numpy(dtype=np.int64) / 1e6
    ruled = sections["rule_id"].isin(list(ground.standard.road_rules())).to_numpy()
    km_all = float(length_km[ruled].sum())
    if km_all <= budget_km:
        return Part(ground, km_all, km_all, int(ruled.sum()))
    first = np.full(len(sections), network.graph.segment_count, np.int64)
    np.minimum.at(first, network.seg_section, np.arange(network.graph.segment_count))
    node = network.graph.seg_u[np.minimum(first, network.graph.segment_count - 1)]
    x, y = network.graph.node_x[node], network.graph.node_y[node]
    away = np.hypot(x - np.median(x[ruled]), y - np.median(y[ruled]))
    order = np.lexsort((np.arange(len(away)), away))
    order = order[ruled[order]]
    take = order[: max(1, int(np.searchsorted(np.cumsum(length_km[order]), budget_km, "right")))]
    kept = np.zeros(len(sections), np.bool_)
    kept[take] = True
    grids = ground.work_grids
    if grids is not None and len(grids):
        with_part = set(network.segments["work_grid_id"][kept[network.seg_section]].dropna())
        grids = grids[grids["grid_id"].isin(with_part)].reset_index(drop=True)
    fewer = sections.assign(rule_id=sections["rule_id"].where(kept, None))
    part = replace(ground, network=replace(network, sections=fewer), work_grids=grids)
    return Part(part, float(length_km[take].sum()), km_all, len(take))


def beyond(ground: Ground, km: float) -> Ground:
    """A ground without the `km` nearest to the middle: their sections have no rule any more, so that days there are of other streets."""
    network = ground.network
    inner = part_of(ground, budget_km=km).ground.network.sections
    used = set(inner.loc[inner["rule_id"].notna(), "section_id"])
    rest = network.sections.assign(
        rule_id=network.sections["rule_id"].where(~network.sections["section_id"].isin(used), None)
    )
    return replace(ground, network=replace(network, sections=rest))


def evaluate_network(
    city: City, day: date, *, name: str, budget_km: float, quick: bool = False, progress: Progress
) -> str:
    """The section of a city's own network in Markdown: a part of it by every mode; `name` is the city file as the command names it."""
    began = time.process_time()
    with ground_of(city, day, progress=progress) as ground:
        part = part_of(ground, budget_km=budget_km)
        found = evaluate(part.ground, table=latest(), progress=progress, **(QUICK if quick else FEW))
    took = time.process_time() - began
    return network_section(
        found, part, place=city.name, seconds=took, command=f"xuncha evaluate {name} --km {budget_km:g}"
    )


def evaluate_county(day: date, *, quick: bool = False, networks: Sequence[str] = (), progress: Progress) -> str:
    """The whole page on the sample county in Markdown, with the sections of further networks."""
    began = time.process_time()
    table = latest()
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        city = load_city_file(write_sample_county(folder))
        with ground_of(city, day, progress=progress) as ground:
            found = evaluate(ground, table=table, progress=progress, **(QUICK if quick else {"also": DENSE}))
            cases = None if quick else evaluate_cases(ground, table=table, progress=progress)
            community = None if quick else evaluate_community(ground, progress=progress)
            unit = None if quick else evaluate_unit(ground, table=table, progress=progress)
            few: dict[str, Any] = {"intervals_s": (15.0, 60.0), "noises_m": (8.0,)} if quick else {}
            rounds = called_rounds(
                evaluate_rounds(ground, seeds=ROUNDS_SEEDS, progress=progress, **few), latest_rounds()
            )
    demo = None if quick else evaluate_demo(progress=progress)
    return report(
        found, place=city.name, today=datetime.now(tz=city.zone).date(), table=table, seconds=time.process_time() - began,
        command="xuncha evaluate", cases=cases, community=community, rounds=rounds, rounds_table=latest_rounds(), networks=networks,
        unit=unit, demo=demo,
    )  # fmt: skip
