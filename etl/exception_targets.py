"""Exceptions name roads as offices write them, `人民路(丹河路至海丰大道)` or `安澜街`; here they get the network's ids and metres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from etl.readers.responsibility_text import parse_section
from gis.network.measured import measured_stretches
from gis.network.stretch import PROBLEMS

if TYPE_CHECKING:
    from gis.network import Network, NetworkSettings


def resolve_exceptions(
    exceptions: pd.DataFrame, network: Network, *, settings: NetworkSettings | None = None
) -> pd.DataFrame:
    """The exceptions with `target_id` an id of the network wherever a section or road is named in words, and the metres of a stretch.

    A stretch gets a row for each section that it lies on, with `from_mm` and `to_mm` on the section's measure where it is not all of it.
    A road whose name several roads of the network bear (one in each town) gets a row for each. What cannot be found stays as written:
    it excuses nothing, and whoever reads the table sees why.

    Args:
        exceptions: contract `exceptions`.
        network: sections and roads.
        settings: those that the network was built with.

    Returns:
        the contract's columns with `from_mm`, `to_mm` (float64) and `problem` (missing where all is well).
    """
    out = exceptions.assign(from_mm=np.nan, to_mm=np.nan, problem=pd.Series(None, index=exceptions.index, dtype=object))
    out["target_id"] = out["target_id"].astype("object")
    return _roads(_stretches(out, network, settings), network)


def _stretches(frame: pd.DataFrame, network: Network, settings: NetworkSettings | None) -> pd.DataFrame:
    """Stretches by their words, whether written as sections or as roads; a whole road written as a section is taken as a road."""
    known = (
        set(network.sections["section_id"])
        | set(network.sections["road_id"])
        | set(network.sections["road_name"].dropna())
    )
    kind, target = frame["target_kind"].astype(str), frame["target_id"]
    asked = frame[kind.isin(("section", "road")) & ~target.isin(set(network.sections["section_id"]))]
    words = [parse_section(str(t)) for t in asked["target_id"]]
    whole = [start is None and stop is None for _, start, stop in words]
    roads = [
        i
        for i, t, k, every in zip(asked.index, asked["target_id"], asked["target_kind"], whole, strict=True)
        if k == "section" and every and t in known
    ]
    frame.loc[roads, "target_kind"] = "road"
    rows = [
        n for n, (t, k, every) in enumerate(zip(asked["target_id"], asked["target_kind"], whole, strict=True))
        if t not in known and (k == "section" or not every)
    ]  # fmt: skip
    if not rows:
        return frame
    found = measured_stretches([words[n] for n in rows], network, settings=settings)
    index = asked.index[rows]
    lost = found[found["problem"].notna()]
    frame.loc[index[lost["stretch"]], "problem"] = lost["problem"].to_numpy(dtype=object)
    good = found[found["problem"].isna()]
    laid = frame.loc[index[good["stretch"]]].assign(
        target_kind="section", target_id=good["section_id"].to_numpy(dtype=object), from_mm=good["from_mm"].to_numpy(),
        to_mm=good["to_mm"].to_numpy(),
    )  # fmt: skip
    return pd.concat([frame.drop(index[good["stretch"].unique()]), laid]).sort_index(kind="stable")


def _roads(frame: pd.DataFrame, network: Network) -> pd.DataFrame:
    """Roads by their names, one row an id."""
    sections = network.sections
    by_name = sections.dropna(subset=["road_name"]).groupby("road_name")["road_id"].unique()
    known = set(sections["road_id"])
    named = frame["target_kind"] == "road"
    ids = [
        list(by_name.get(t, [t])) if road and t not in known else [t]
        for t, road in zip(frame["target_id"], named, strict=True)
    ]
    lost = named & ~frame["target_id"].isin(known | set(by_name.index)) & frame["problem"].isna()
    frame.loc[lost, "problem"] = " (".join(PROBLEMS["road_not_found"]) + ")"
    out = frame.assign(target_id=pd.Series(ids, index=frame.index, dtype="object")).explode("target_id")
    return out.reset_index(drop=True)
