"""The manager's table as it stands on the screen, in six formats: the same rows in the same order, with what was chosen written on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from dashboards.desk_manager import LEVELS, chosen
from dashboards.exports.geopackage import write_geopackage
from dashboards.exports.table_map import write_table_map
from dashboards.exports.table_report import write_table_report
from dashboards.exports.text import write_csv
from dashboards.exports.workbook import write_table
from dashboards.tally import NOWHERE
from dashboards.views import View
from layers.contracts import Column
from layers.symbology import table_layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from dashboards.desk_manager import Choice

FORMATS = ("xlsx", "csv", "gpkg", "html", "pdf")
POLYGON = 3
MOST_AROUND = 5000


@dataclass(frozen=True, slots=True)
class Shown:
    """A table, its places, and the words that say what it is.

    Attributes:
        table: as the page shows it, row for row; its frame has `geometry` (null where a row has no place).
        title: heading.
        words: what was chosen, label and value.
        figures: totals over everything chosen, label and value.
        lang: zh or en.
        time_zone: of the times shown.
        around: (n,) shapes that lie about, for orientation on maps.
    """

    table: View
    title: str
    words: Sequence[tuple[str, str]]
    figures: Sequence[tuple[str, str]]
    lang: str
    time_zone: str
    around: npt.NDArray[np.object_]


def gathered(shapes: npt.NDArray[np.object_], group: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.object_]:
    """One geometry a group: all parts of its shapes together (lines or polygons), None where it has none.

    Args:
        shapes: (n,), lines or polygons, single or multiple.
        group: (n,), 0 … count - 1.
        count: number of groups.

    Returns:
        object (count,).
    """
    out = np.full(count, None, dtype=object)
    parts, of = shapely.get_parts(shapes, return_index=True)
    if not len(parts):
        return out
    mine = group[of]
    order = np.argsort(mine, kind="stable")
    found, indices = np.unique(mine[order], return_inverse=True)
    make = shapely.multipolygons if shapely.get_type_id(parts[0]) == POLYGON else shapely.multilinestrings
    out[found] = make(parts[order], indices=indices)
    return out


def with_places(table: View, base: pd.DataFrame, choice: Choice, shapes: Mapping[str, Any]) -> View:
    """The table with the place of every row: the streets or grids that its windows are about.

    Args:
        table: of `dashboards.desk_manager.audit_table`.
        base: the windows that it was made from.
        choice: what was asked.
        shapes: subject (section, work grid, community grid) to geometry.

    Returns:
        the same rows in the same order; `geometry` is null where nothing has a place.
    """
    frame = pd.DataFrame(table.frame).reset_index(drop=True)
    rows = chosen(base, choice)
    if choice.level == "window":
        subject = frame["section_id" if choice.kind == "roads" else "grid_id"].astype(str)
        places = np.array([shapes.get(s) for s in subject], dtype=object)
    else:
        column = LEVELS[choice.level].column
        keys = rows[column].replace("", NOWHERE).astype(str) if column else pd.Series("all", index=rows.index)
        pairs = pd.DataFrame({"key": keys, "subject": rows["subject"]}).drop_duplicates()
        pairs["shape"] = [shapes.get(s) for s in pairs["subject"]]
        pairs = pairs[pairs["shape"].notna() & pairs["key"].isin(frame["key"])]
        position = pd.Series(np.arange(len(frame)), index=frame["key"])
        group = position.reindex(pairs["key"]).to_numpy(dtype=np.int64)
        places = gathered(pairs["shape"].to_numpy(dtype=object), group, len(frame))
    frame = frame[[c.name for c in table.columns if c.name in frame]]  # what is shown, in its order, and no more
    placed = gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(places, index=frame.index, crs=4326), crs=4326)
    return replace(table, frame=placed, columns=(*table.columns, Column("geometry", "geometry", "位置", "Place")))


def write_shown(shown: Shown, choice: Choice, path: Path, kind: str) -> Path:
    """Write the table in one of `FORMATS`."""
    lang, zone = shown.lang, shown.time_zone
    layer = table_layer(
        "outcome" if choice.level == "window" else "rate_low", "line" if choice.kind == "roads" else "polygon"
    )
    about = [*shown.words, *shown.figures]
    if kind == "csv":
        return write_csv(shown.table, path, time_zone=zone)
    if kind == "xlsx":
        return write_table(path, shown.table, lang=lang, time_zone=zone, footer=shown.words[0][1], about=about)
    if kind == "gpkg":
        views = [shown.table, _about(about), _columns(shown.table)]
        return write_geopackage(views, path, lang=lang, styles={shown.table.name: [layer]})
    write = write_table_map if kind == "html" else write_table_report
    return write(shown, layer, path, backdrop=_near(shown))


def _near(shown: Shown) -> npt.NDArray[np.object_] | None:
    """What lies about the rows; where it is too much to be drawn, the longest or widest of it."""
    places = shown.table.frame["geometry"].dropna().to_numpy()
    if not len(places):
        return None
    near = shown.around[shapely.intersects(shapely.box(*shapely.total_bounds(places)), shown.around)]
    if len(near) <= MOST_AROUND:
        return near
    longest = np.argsort(-shapely.length(near), kind="stable")[:MOST_AROUND]
    return near[np.sort(longest)]


def _about(lines: Sequence[tuple[str, str]]) -> View:
    """What was chosen, as an attribute table."""
    columns = (Column("item", "str", "项目", "Item"), Column("value", "str", "内容", "Value"))
    return View("about", "说明", "About", columns, pd.DataFrame(lines, columns=["item", "value"]))


def _columns(table: View) -> View:
    """What the columns mean, as an attribute table."""
    rows = [(c.name, c.zh, c.en, c.unit) for c in table.columns if c.name != "geometry"]
    names = ("column", "zh", "en", "unit")
    columns = tuple(Column(n, "str", n, n) for n in names)
    return View("columns", "列说明", "Columns", columns, pd.DataFrame(rows, columns=list(names)))
