"""The sample county audited as an office would, against what its generator knows: as it is, with nobody named, without a roster."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from etl.evaluate_unit import NO_ROSTER, NOBODY_NAMED
from etl.inputs import DayTables
from etl.load import load_city
from etl.network_stage import network_for
from etl.pipeline import audit_days, day_inputs
from etl.sample.write import DEFAULT_DAY, write_sample_county
from gis.audit import crew_of
from gis.crew import column_ms, device_modes, with_devices
from gis.evaluate import compare_windows
from gis.frequency import road_frequency
from gis.model import MODES, Passes
from gis.standard import Calibration
from layers.city import Counting, load_city_file
from layers.standard_files import load_standard
from layers.store import open_store

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from etl.base import Progress
    from gis.network import Network
    from layers.city import City
    from layers.store.base import Store

AS_IT_IS = "如实 as it is"
KINDS = (AS_IT_IS, NOBODY_NAMED, NO_ROSTER)
ROSTER = ("persons", "devices", "assignments", "responsibilities", "exceptions", "units")


def evaluate_demo(*, progress: Progress) -> pd.DataFrame:
    """Windows of the sample county's roads by kind: as `gis.evaluate.compare_windows`, with a column `kind`."""
    found = []
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        root = write_sample_county(folder).parent
        for kind in KINDS:
            city = city_of_kind(load_city_file(root / "city.toml"), kind)
            store = open_store(f"embedded:{root / f'store-{KINDS.index(kind)}'}", timezone=city.timezone)
            try:
                store.prepare()
                load_city(city, store, progress=progress)
                (run,) = audit_days(city, store, [DEFAULT_DAY], progress=progress)
                called = store.result(run.run_id, "section_windows")
                found.append(compare_windows(called, true_windows(city, store, root)).assign(kind=kind))
            finally:
                store.close()
    return pd.concat(found, ignore_index=True)


def city_of_kind(city: City, kind: str) -> City:
    """The county's city file without what a kind does not have; without a roster its devices count all the same."""
    gone = {AS_IT_IS: (), NOBODY_NAMED: ("responsibilities",), NO_ROSTER: ROSTER}[kind]
    kept = tuple(s for s in city.sources if s.table not in gone)
    counting = Counting(unassigned=True, unassigned_mode="ebike") if kind == NO_ROSTER else city.counting
    return city.model_copy(update={"sources": kept, "counting": counting})


def true_windows(city: City, store: Store, root: Path, day: date = DEFAULT_DAY) -> pd.DataFrame:
    """The windows judged by the same rules, uncalibrated, from the generator's true passes, everybody heard."""
    standard = load_standard(str(city.standard.name)).model_copy(update={"calibration": Calibration()})
    tables = DayTables(store, day)
    network, _ = network_for(city, store, tables, standard)
    inputs = day_inputs(city, standard, tables, network)
    known, default = device_modes(tables["devices"], tables["assignments"]), MODES[city.counting.unassigned_mode]
    passes = true_passes(
        network, pd.DataFrame(tables["road_edges"]), pd.read_parquet(root / "truth" / f"passes-{day}.parquet")
    )
    modes = np.array([known.get(d, default) for d in passes.devices], dtype=np.int8)
    crew = with_devices(crew_of(inputs, standard), dict(zip(passes.devices, modes.tolist(), strict=True)))
    return road_frequency(
        network,
        replace(passes, mode=modes),
        crew,
        standard,
        day,
        city.zone,
        exceptions=inputs.exceptions,
        areas=inputs.areas,
    ).section_windows


def true_passes(network: Network, edges: pd.DataFrame, truth: pd.DataFrame) -> Passes:
    """True passes on edges as passes on the segments made of them, which in the sample county are the same lines.

    Raises:
        ValueError: an edge is no segment.
    """
    segment_of, reversed_of = {}, {}
    ends = {_ends(g): i for i, g in enumerate(network.segments.geometry)}
    for edge, shape in zip(edges["edge_id"], edges["geometry"], strict=True):
        there, back = ends.get(_ends(shape)), ends.get(_ends(shapely.reverse(shape)))
        segment_of[edge], reversed_of[edge] = (back, True) if there is None else (there, False)
    place = truth["edge_id"].map(segment_of)
    if place.isna().any():
        raise ValueError("an edge of the truth is no segment")  # noqa: TRY003, EM101 (a caller's error, no user's)
    segment = place.to_numpy(dtype=np.int32)
    length = network.graph.seg_length_mm[segment]
    turned = truth["edge_id"].map(reversed_of).to_numpy(dtype=np.bool_)
    a, b = (np.minimum(truth[c].to_numpy(dtype=np.int64), length) for c in ("from_mm", "to_mm"))
    a, b = np.where(turned, length - a, a), np.where(turned, length - b, b)
    enter, leave = (np.array(column_ms(truth, c, 0), dtype=np.int64) for c in ("enter", "leave"))
    names, device = np.unique(truth["device_id"].to_numpy(dtype=str), return_inverse=True)
    o = np.lexsort((a, segment, leave, enter, device))
    return Passes(
        segment_ix=segment[o], from_mm=a[o].astype(np.int32), to_mm=b[o].astype(np.int32), enter_ms=enter[o], leave_ms=leave[o],
        device_ix=device[o].astype(np.int32), track_ix=device[o].astype(np.int32), first_fix_ms=enter[o], last_fix_ms=leave[o],
        seen=np.ones(len(o), np.bool_), confidence=np.ones(len(o), np.float32), devices=tuple(names.tolist()),
        mode=np.zeros(len(names), np.int8),
    )  # fmt: skip


def _ends(shape: shapely.Geometry) -> tuple[float, ...]:
    """A line by its first, middle and last coordinates and its length, rounded: enough to tell two apart."""
    xy = shapely.get_coordinates(shape)
    return (*np.round(xy[[0, len(xy) // 2, -1]].ravel(), 6).tolist(), round(float(shapely.length(shape)), 7), len(xy))
