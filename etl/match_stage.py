"""From stored positions to passes: one shard of devices at a time, here or on the workers of a Dask cluster.

A shard is (day, group of devices). Whoever computes it reads its positions by itself, from the store or from Parquet files elsewhere,
and gives back columns of whole millimetres and milliseconds; shards are put together in their order. So the result is the same bits from
one process and from many.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from etl.cluster import on_cluster
from gis.errors import Fault, SettingsError
from gis.matching import Matcher
from gis.merge import concat_fixes, concat_passes
from gis.model import EXCLUDED, Fixes, Mode, Passes
from gis.tracks import prepare_fixes
from layers.store import open_store
from layers.store.parquet_positions import ParquetPositions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from etl.base import Progress
    from gis.matching import MatchSettings
    from gis.network import RoadGraph
    from layers.store.base import PositionStore, Store

EDGE_M = 2000.0  # a fix farther than this from every road of the city is outside
POSITIONS_A_SHARD = 2_000_000  # bounds the memory of a shard, whatever the size of the city


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """One piece of work, small enough to be sent anywhere."""

    day: date
    shard: int
    shards: int
    device_ids: tuple[str, ...] | None
    modes: Mapping[str, Mode]
    default_mode: Mode
    arrived_before_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Fixes and passes of a day or of one shard of it."""

    fixes: Fixes
    passes: Passes


def shards_for(positions: int) -> int:
    """How many shards keep memory bounded."""
    return max(1, -(-positions // POSITIONS_A_SHARD))


def match_shard(shard: Shard, store: Store, matcher: Matcher) -> Matched:
    """Read, flag and match the positions of one shard."""
    return _match(shard, store.positions, matcher)


def _match(shard: Shard, source: PositionStore, matcher: Matcher) -> Matched:
    table = source.scan(
        shard.day,
        shard=shard.shard,
        shards=shard.shards,
        device_ids=shard.device_ids,
        arrived_before_ms=shard.arrived_before_ms,
        encoded=True,
    )
    return match_positions(table, matcher, shard.modes, shard.default_mode)


def match_positions(table: pa.Table, matcher: Matcher, modes: Mapping[str, Mode], default: Mode) -> Matched:
    """Flag and match positions: whole days of any devices."""
    graph = matcher.graph
    fixes = prepare_fixes(
        table["device_id"],
        table["t_ms"].to_numpy(),
        table["lon"].to_numpy(),
        table["lat"].to_numpy(),
        crs=graph.crs,
        mode={d: modes.get(d, default) for d in table["device_id"].unique().to_pylist()},
        bounds=_bounds(graph),
    )
    return Matched(fixes, matcher.match(fixes))


def _bounds(graph: RoadGraph) -> tuple[float, float, float, float]:
    return (
        float(graph.vert_x.min()) - EDGE_M,
        float(graph.vert_y.min()) - EDGE_M,
        float(graph.vert_x.max()) + EDGE_M,
        float(graph.vert_y.max()) + EDGE_M,
    )


def match_day(
    store: Store,
    matcher: Matcher,
    shards: Sequence[Shard],
    *,
    time_zone: str,
    scheduler: str | None = None,
    progress: Progress,
) -> Matched:
    """All shards of a day, in order, here or on a cluster.

    Args:
        store: read here; workers of a cluster open their own at its address.
        matcher: matches here; workers of a cluster make their own, once, of its graph and settings.
        shards: at least one.
        time_zone: of the city.
        scheduler: address of a Dask scheduler; None: this process.
        progress: told shard by shard.

    Raises:
        StoreError: the store cannot be reached from a worker.
    """
    parts: list[Matched] = []
    done: Iterator[Matched] = (
        (match_shard(shard, store, matcher) for shard in shards)
        if scheduler is None
        else _on_cluster(store, matcher, shards, time_zone, scheduler)
    )
    for part in done:
        parts.append(part)
        progress("匹配 match", len(parts), len(shards))
    if len(parts) == 1:
        return parts[0]
    fixes = [p.fixes for p in parts]
    return Matched(concat_fixes(fixes), concat_passes([p.passes for p in parts], fixes))


def _on_cluster(
    store: Store, matcher: Matcher, shards: Sequence[Shard], time_zone: str, scheduler: str
) -> Iterator[Matched]:
    elsewhere = store.positions if isinstance(store.positions, ParquetPositions) else None
    if elsewhere is not None and elsewhere.of_this_process:
        zh, en = f"别的进程读不到 {elsewhere.url}", f"no other process can read {elsewhere.url}"
        fix = ("用共享文件夹或对象存储", "use a folder that all workers see, or an object store")
        raise SettingsError(Fault("positions.memory", zh, en, *fix))
    work = partial(_on_worker, url=store.address, settings=matcher.settings, time_zone=time_zone)
    return on_cluster(scheduler, work, shards, shared={"graph": matcher.graph, "source": elsewhere})


_matchers: dict[tuple[int, MatchSettings], Matcher] = {}


def _on_worker(
    shard: Shard,
    *,
    graph: RoadGraph,
    source: ParquetPositions | None,
    url: str,
    settings: MatchSettings,
    time_zone: str,
) -> Matched:
    """One shard on a worker, which reads its rows by itself; its matcher is kept for the next shard of the same graph."""
    key = (id(graph), settings)
    if key not in _matchers:
        _matchers.clear()
        _matchers[key] = Matcher(graph, settings=settings)
    if source is not None:
        return _match(shard, source, _matchers[key])
    store = open_store(url, timezone=time_zone)
    try:
        return _match(shard, store.positions, _matchers[key])
    finally:
        store.close()


def passes_table(passes: Passes) -> pa.Table:
    """Passes as the store keeps them: devices by name."""
    columns: dict[str, Any] = {
        "segment_ix": passes.segment_ix,
        "from_mm": passes.from_mm,
        "to_mm": passes.to_mm,
        "enter_ms": passes.enter_ms,
        "leave_ms": passes.leave_ms,
        "device_id": pa.DictionaryArray.from_arrays(pa.array(passes.device_ix), pa.array(passes.devices, pa.string())),
        "track_ix": passes.track_ix,
        "first_fix_ms": passes.first_fix_ms,
        "last_fix_ms": passes.last_fix_ms,
        "seen": passes.seen,
        "confidence": passes.confidence,
    }
    columns["device_id"] = columns["device_id"].cast(pa.string())
    return pa.table(columns)


def matched_share(fixes: Fixes) -> float:
    """Share of fixes that matching could use."""
    return float(np.mean((fixes.flags & EXCLUDED) == 0)) if len(fixes.flags) else 0.0
