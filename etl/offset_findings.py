"""What a run says of undeclared map offsets: measured on the day's own positions, and told by the loads of the editions it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj

from etl.detect import detect_shift, warning
from gis.crs import WGS84
from layers.store.base import WARNING

if TYPE_CHECKING:
    from etl.inputs import DayTables
    from gis.model import Fixes
    from gis.network import Network
    from layers.store.base import Store

_SAMPLE = 2000
_COLUMNS = ("code", "subject", "count", "zh", "en")


def fixes_offset(fixes: Fixes, roads: pd.DataFrame, crs: pyproj.CRS) -> pd.DataFrame:
    """Contract `findings`: the offset that the positions of a day, or the roads, seem to have against each other; no row where none."""
    step = max(1, len(fixes.x) // _SAMPLE)
    back = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
    lon, lat = (np.asarray(v, dtype=np.float64) for v in back.transform(fixes.x[::step], fixes.y[::step]))
    shift = detect_shift(lon, lat, roads=gpd.GeoDataFrame(roads))
    if shift is None:
        return _findings([])
    fault = warning(shift, source="positions", file="")
    subject = "road_edges" if shift.of_roads else "positions"
    zh, en = (
        f"{WARNING}定位与道路：{fault.zh} → {fault.fix_zh}",
        f"warning: positions and roads: {fault.en} → {fault.fix_en}",
    )
    return _findings([(fault.code, subject, round(shift.shift_m), zh, en)])


def told_at_load(store: Store, tables: DayTables, network: Network | None) -> pd.DataFrame:
    """Contract `findings`: warnings of the newest load of each source of the editions in force, those that the network tells excepted."""
    known = {str(n["zh"]) for n in network.notes} if network is not None else set()
    used, seen, rows = set(tables.editions.values()), set(), []
    for manifest in store.manifests():
        record = manifest.record
        if manifest.edition_id not in used or record.source in seen:
            continue
        seen.add(record.source)
        warned = [n for n in record.notes if n.warns and n.zh.removeprefix(WARNING) not in known]
        for i, n in enumerate(warned, start=1):
            code = f"load.warning.{i}"
            rows.append((code, record.source, 1, f"来源 {record.source}：{n.zh}", f"source {record.source}: {n.en}"))
    return _findings(rows)


def _findings(rows: list[tuple[str, str, int, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"count": "int64"})
