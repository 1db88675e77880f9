"""A derived network as memory-mapped columns beside an embedded store: made again from the stored tables whenever it is not there.

One folder an edition: `segments.arrow` and `sections.arrow` (Arrow files, not compressed, geometry as WKB) and `graph.npz` (arrays
of the road graph and of the measure). The name of the edition is the hash of all that a network follows from, its code included, so that
a folder is never out of date; it may be deleted at any time. The few that were used last are kept: a run names the stored tables, from
which its network can be read again.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from gis.network import Network, RoadGraph

if TYPE_CHECKING:
    from pathlib import Path

    import pyproj

_GRAPH = (
    "node_x", "node_y", "seg_u", "seg_v", "seg_oneway", "seg_length_mm", "seg_tunnel", "vert_ptr", "vert_x", "vert_y", "vert_mm",
)  # fmt: skip
_MEASURE = ("seg_section", "seg_measure_from_mm", "seg_measure_to_mm")
_LAYOUT = "network-1"
KEPT = 4  # networks a store: those in force now, and those of days audited again


def keep(cache: Path | None, edition_id: str, network: Network) -> None:
    """Write a network aside, then rename it; nothing happens where there is no cache, or where it cannot be written to."""
    if cache is None:
        return
    final = cache / _LAYOUT / edition_id
    aside = final.with_name(f".{os.getpid()}-{edition_id[:16]}")
    with suppress(OSError):
        aside.mkdir(parents=True, exist_ok=True)
        for name, frame in (("segments", network.segments), ("sections", network.sections)):
            _write(aside / f"{name}.arrow", frame)
        arrays = {n: getattr(network.graph, n) for n in _GRAPH} | {n: getattr(network, n) for n in _MEASURE}
        np.savez(aside / "graph.npz", **arrays)
        aside.rename(final)
    shutil.rmtree(aside, ignore_errors=True)  # another process was first
    _prune(final.parent)


def _prune(folder: Path) -> None:
    """Remove all but the networks that were used last; who has one open still reads it (what is mapped stays until it is let go)."""
    with suppress(OSError):
        held = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.stat().st_mtime_ns)
        for old in held[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def kept(cache: Path | None, edition_id: str, crs: pyproj.CRS) -> Network | None:
    """The network of an edition, equal to the one that was kept but for its notes; None where there is none to be read."""
    if cache is None:
        return None
    folder = cache / _LAYOUT / edition_id
    try:
        segments, sections = (_read(folder / f"{name}.arrow") for name in ("segments", "sections"))
        with (folder / "graph.npz").open("rb") as source, np.load(source, allow_pickle=False) as file:
            arrays = {n: file[n] for n in (*_GRAPH, *_MEASURE)}
    except (OSError, ValueError, KeyError, BadZipFile):  # not there, cut short, of another layout
        return None
    with suppress(OSError):  # used now; a store that cannot be written to is not pruned either
        os.utime(folder)
    for values in arrays.values():
        values.setflags(write=False)
    return Network(
        RoadGraph(crs=crs, **{n: arrays[n] for n in _GRAPH}), segments, sections, *(arrays[n] for n in _MEASURE)
    )


def _write(path: Path, frame: gpd.GeoDataFrame) -> None:
    plain = pa.Table.from_pandas(pd.DataFrame(frame.drop(columns="geometry")), preserve_index=False)
    wkb = pa.array(shapely.to_wkb(frame.geometry.to_numpy()), pa.binary())
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, (table := plain.append_column("geometry", wkb)).schema) as writer,
    ):
        writer.write_table(table)


def _read(path: Path) -> gpd.GeoDataFrame:
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    shapes = shapely.from_wkb(table["geometry"].to_numpy())
    frame = table.drop_columns("geometry").to_pandas()
    return gpd.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4326")
