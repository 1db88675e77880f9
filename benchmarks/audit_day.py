"""The day that the audit's benchmarks measure: a city without rosters, random patrols with known truth, and how answers are scored."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
from road_data import DRIVABLE, data_root
from scoring import Stretches, covered

from etl.load import load_city
from etl.pipeline import audit_days
from etl.sample.write import write_sample_county
from gis.network import network_from_tables
from gis.simulate import random_patrols
from layers.city import load_city_file
from layers.store import open_store
from layers.store.base import SourceRecord

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network import RoadGraph
    from layers.city import City
    from layers.store.base import Store

    I8 = npt.NDArray[np.int64]

DAY = date(2026, 3, 18)
DERIVING, WARMING = (
    date(2026, 3, 16),
    date(2026, 3, 17),
)  # the day that derives the network, and one that loads what is compiled
OPENS_MS = int(pd.Timestamp("2026-03-18T08:30+08:00").timestamp() * 1000)
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
HOURS, INTERVAL_S, SPEED_MPS, NOISE_M = 9.0, 10.0, 5.0, 5.7
EMPTY = pd.DataFrame({c: pd.Series(dtype=object) for c in ("row", "column", "code", "zh", "en", "raw")})
ROOT = Path(__file__).resolve().parents[1]
ARRAYS = ("seg_u", "seg_v", "seg_oneway", "seg_length_mm", "vert_ptr", "vert_x", "vert_y")
LEFT_OUT = {"positions", "checkins", "cases", "scenes"}


def city_file(folder: Path, *, every_way: bool = False) -> Path:
    """Roads only, every device counted: the drivable streets of central Beijing where XUNCHA_DATA is set, else the sample county.

    The patrols drive. With `every_way` the network has ways of every class, and they are sent over footways too: a footway beside its
    street cannot be told from it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (root := data_root()) is None:
        return write_sample_county(folder)
    os.environ["XUNCHA_DATA"] = str(root)
    roads = pyogrio.read_dataframe(root / "beijing" / "roads.gpkg")
    kept = roads if every_way else roads[roads["highway"].isin(DRIVABLE)]
    pyogrio.write_dataframe(kept, folder / "roads.gpkg")
    text = (ROOT / "examples" / "beijing" / "city.toml").read_text(encoding="utf-8")
    text = text.replace("${XUNCHA_DATA}/beijing/roads.gpkg", "roads.gpkg")
    head, _, tail = text.partition("# 由 xuncha grid")
    path = folder / "city.toml"
    path.write_text(head + "[counting]" + tail.rpartition("[counting]")[2], encoding="utf-8")
    return path


def prepared(city: City, store: Store) -> RoadGraph:
    """Loads the city, derives its network, puts a few positions on the day before; the graph."""
    store.prepare()
    load_city(city, store, only=[s.name for s in city.sources if s.table not in LEFT_OUT])
    audit_days(city, store, [DERIVING])
    edition = store.edition_at("segments", DAY)
    assert edition is not None
    frames = (store.read(t, edition.edition_id) for t in ("segments", "sections"))
    graph = network_from_tables(*frames, metric_crs=32650).graph  # type: ignore[arg-type] (GeoDataFrames)
    few, _, _ = patrols(graph, 3000)
    earlier = few.set_column(1, "t_ms", pa.array(few["t_ms"].to_numpy() - DAY_MS))
    load_positions(store, earlier.set_column(2, "arrived_ms", earlier["t_ms"]))
    return graph


def patrols(graph: RoadGraph, count: int, *, hours: float = HOURS, seed: int = 7) -> tuple[pa.Table, Any, Any]:
    """Positions as the store takes them, the same in the graph's metres, and the true passes."""
    devices = max(1, round(count / (hours * 3600 / INTERVAL_S)))
    truth, seen = random_patrols(
        graph, devices, hours * 3600, SPEED_MPS, interval_s=INTERVAL_S, noise_m=NOISE_M, rng=np.random.default_rng(seed)
    )
    lon, lat = pyproj.Transformer.from_crs(graph.crs, 4326, always_xy=True).transform(seen.x, seen.y)
    shift = OPENS_MS - int(seen.t_ms.min())
    t = seen.t_ms + shift
    names = pa.array(seen.devices, pa.string()).take(pa.array(seen.device_ix))
    table = pa.table({"device_id": names, "t_ms": t, "arrived_ms": t, "lon": lon, "lat": lat})
    plane = pa.table({"device_ix": seen.device_ix, "t_ms": t, "x": seen.x, "y": seen.y})
    passes = SimpleNamespace(
        segment_ix=truth.segment_ix,
        from_mm=truth.from_mm,
        to_mm=truth.to_mm,
        enter_ms=truth.enter_ms + shift,
        leave_ms=truth.leave_ms + shift,
    )
    return table, plane, passes


def load_positions(store: Store, table: pa.Table) -> None:
    """One source of positions, without faults."""
    store.positions.load([table], SourceRecord("bench", "positions", "bench", "0" * 64, table.num_rows), EMPTY)


# --- the case that every process reads ---
@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What a peer is given: edges as arrays, and the file of positions in metres (columns device_ix, t_ms, x, y)."""

    edges: Any
    positions: Path


def write_case(folder: Path, graph: RoadGraph, count: int) -> pa.Table:
    """Writes edges, positions and truth; the positions for the stores."""
    folder.mkdir(parents=True)
    table, plane, truth = patrols(graph, count)
    np.savez(folder / "edges.npz", **{n: getattr(graph, n) for n in ARRAYS})
    np.savez(folder / "truth.npz", **vars(truth))
    pq.write_table(plane, folder / "plane.parquet", compression="lz4")
    pq.write_table(table, folder / "positions.parquet", compression="lz4")
    return table


def read_case(folder: Path) -> Case:
    """The case in a folder."""
    arrays = np.load(folder / "edges.npz")
    edges = SimpleNamespace(**{n: arrays[n] for n in ARRAYS}, segment_count=len(arrays["seg_u"]))
    return Case(edges, folder / "plane.parquet")


# --- answers: which stretches of which edge were passed in which hour ---
def by_hour(passes: Any) -> Stretches:
    """Passes as stretches of (hour, segment), cut where an hour ends; places between are interpolated in time."""
    enter, leave = (np.asarray(t, np.int64) for t in (passes.enter_ms, passes.leave_ms))
    first, last = enter // HOUR_MS, np.maximum(leave - 1, enter) // HOUR_MS
    times = last - first + 1
    row = np.repeat(np.arange(len(enter)), times)
    hour = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    took = np.maximum(leave - enter, 1)[row]
    a, b = (np.asarray(v, np.float64)[row] for v in (passes.from_mm, passes.to_mm))
    ends = [np.clip((h * HOUR_MS - enter[row]) / took, 0.0, 1.0) for h in (hour, hour + 1)]
    low, high = (np.rint(a + e * (b - a)) for e in ends)
    return Stretches.of(hour, np.asarray(passes.segment_ix)[row], low, high)


def score(folder: Path, got: Stretches) -> dict[str, float]:
    """Precision and recall in metres × hours of stretches against the truth."""
    truth = by_hour(SimpleNamespace(**np.load(folder / "truth.npz")))
    n = len(np.load(folder / "edges.npz")["seg_u"])
    real, claimed, either = (sum(covered(p, n).values()) for p in ([truth], [got], [truth, got]))
    hit = real + claimed - either
    return {"precision": hit / max(claimed, 1), "recall": hit / max(real, 1)}


def opened(folder: Path, url: str | None) -> tuple[City, Store]:
    """The city of a prepared folder, and its store: the embedded one, or that of a URL."""
    city = load_city_file(folder / "city.toml")
    return city, open_store(url or city.store_url, timezone=city.timezone)
