"""Exceptions name roads as offices write them, `人民路(丹河路至海丰大道)` or `安澜街`; here they get the network's ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from etl.readers.responsibility_text import parse_section
from gis.network.responsible import resolve_responsibilities

if TYPE_CHECKING:
    from gis.network import Network, NetworkSettings


def resolve_exceptions(
    exceptions: pd.DataFrame, network: Network, *, settings: NetworkSettings | None = None
) -> pd.DataFrame:
    """The exceptions with `target_id` an id of the network wherever a section or road is named in words.

    A road whose name several roads of the network bear (one in each town) gets a row for each. What cannot be found stays as written:
    it excuses nothing, and whoever reads the table sees why.

    Args:
        exceptions: contract `exceptions`.
        network: sections and roads.
        settings: those that the network was built with.
    """
    kind = exceptions["target_kind"].astype(str)
    out = exceptions.copy()
    out["target_id"] = out["target_id"].astype("object")
    out = _sections(out, kind == "section", network, settings)
    return _roads(out, kind == "road", network)


def _sections(frame: pd.DataFrame, mine: Any, network: Network, settings: NetworkSettings | None) -> pd.DataFrame:
    """Sections by their words; a whole road written as a section is taken as a road."""
    known = set(network.sections["section_id"])
    rows = frame[mine & ~frame["target_id"].isin(known)]
    if not len(rows):
        return frame
    words = [parse_section(str(t)) for t in rows["target_id"]]
    asked = pd.DataFrame(words, columns=["road_name", "from_name", "to_name"], index=rows.index, dtype="object")
    asked = asked.assign(target_kind="section", target_id=None, resolved=False, problem=None)
    found = resolve_responsibilities(asked, network, settings=settings)
    good = found.index[found["resolved"]]
    frame.loc[good, "target_id"] = found.loc[good, "target_id"].astype("object")
    whole = [
        i
        for i, (_, start, stop) in zip(rows.index, words, strict=True)
        if i not in good and start is None and stop is None
    ]
    frame.loc[whole, "target_kind"] = "road"
    return frame


def _roads(frame: pd.DataFrame, mine: Any, network: Network) -> pd.DataFrame:
    """Roads by their names, one row an id."""
    sections = network.sections
    by_name = sections.dropna(subset=["road_name"]).groupby("road_name")["road_id"].unique()
    known = set(sections["road_id"])
    named = mine | (frame["target_kind"] == "road")
    ids = [
        list(by_name.get(t, [t])) if road and t not in known else [t]
        for t, road in zip(frame["target_id"], named, strict=True)
    ]
    out = frame.assign(target_id=pd.Series(ids, index=frame.index, dtype="object")).explode("target_id")
    return out.reset_index(drop=True)
