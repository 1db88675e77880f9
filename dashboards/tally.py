"""Counts and rate bounds of windows by whatever groups them: pages and reports add up here, by the one definition of a rate (gis.rates)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from gis.rates import OUTCOMES, counts_by, excused_millimetres

if TYPE_CHECKING:
    from gis.standard import Standard

Kind = Literal["roads", "rounds", "community"]
KINDS: tuple[Kind, ...] = ("roads", "rounds", "community")
VIEW_OF: dict[Kind, str] = {"roads": "windows", "rounds": "grids", "community": "community"}
SUBJECT_OF: dict[Kind, str] = {"roads": "section_id", "rounds": "grid_id", "community": "grid_id"}
CHARGED = {"entitled": "outcome", "responsible": "outcome_responsible"}
ONE_KM = 1_000_000  # a subject without length weighs one kilometre, as in the stored roll-ups
NOWHERE = "-"
TEXTS = (
    "rule_id", "town_id", "town_name", "unit_id", "unit_name", "work_grid_id", "road_id", "road_name", "section_name", "policy_class",
    "person_ids", "persons", "named_by", "grid_name", "community",
)  # fmt: skip


def base_of(kind: Kind, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that count, one a window: those judged covered, missed, unknown or excused under a rule.

    Args:
        kind: what is judged.
        frame: the view of `VIEW_OF[kind]` (dashboards.views), without geometry.

    Returns:
        its columns, with `subject`, `length_mm` and `outcome_responsible` (empty where nobody is charged), texts never null.
    """
    out = pd.DataFrame(frame).drop(columns="geometry", errors="ignore")
    out = out[out["outcome"].isin(OUTCOMES) & out["rule_id"].notna()].reset_index(drop=True)
    out["subject"] = out[SUBJECT_OF[kind]].astype(str)
    if kind == "rounds":
        out["length_mm"] = out["patrollable_mm"]
        out["work_grid_id"] = out["grid_id"]
    elif kind == "community":
        out["length_mm"] = ONE_KM
    if "outcome_responsible" not in out:
        out["outcome_responsible"] = ""
    for column in TEXTS:
        out[column] = out[column].astype(object).where(out[column].notna(), "").astype(str) if column in out else ""
    return out


def by_person(base: pd.DataFrame) -> pd.DataFrame:
    """One row for each responsible person of each window, with `person_id` and `person_name`; windows without one keep an empty id."""
    out = base.copy()
    ids = [str(text).split(";") for text in out["person_ids"]]
    names = [str(text).split("、") for text in out["persons"]]
    out["person_id"] = pd.Series(ids, index=out.index, dtype=object)
    fitting = [n if len(n) == len(i) else i for n, i in zip(names, ids, strict=True)]
    out["person_name"] = pd.Series(fitting, index=out.index, dtype=object)
    return out.explode(["person_id", "person_name"], ignore_index=True)


def tally(base: pd.DataFrame, by: str | None, standard: Standard, *, charged: str = "entitled") -> pd.DataFrame:
    """Subjects, counts, kilometre-windows and rate bounds by a column (None: over all), keys ascending; an empty key becomes `-`.

    Args:
        base: from `base_of`.
        by: the column that groups.
        standard: says how rates are weighted.
        charged: entitled (anyone who counts) or responsible (the responsible person; rows without that outcome are left out).

    Returns:
        key, subjects, windows … rate_high (as in the contracts).
    """
    column = CHARGED[charged]
    rows = base[base[column].isin(OUTCOMES)]
    keys = (
        np.full(len(rows), "all", dtype=object)
        if by is None
        else np.array([str(k) or NOWHERE for k in rows[by]], dtype=object)
    )
    codes, uniques = pd.factorize(keys, sort=True)
    outcome = pd.Categorical(rows[column], categories=list(OUTCOMES)).codes.astype(np.int64)
    length = rows["length_mm"].to_numpy(dtype=np.int64)
    counts = counts_by(
        codes.astype(np.int64), outcome, length, len(uniques), standard, excused_mm=excused_millimetres(rows)
    )
    counts.insert(0, "key", uniques)
    pairs = pd.DataFrame({"code": codes, "subject": rows["subject"].to_numpy()}).drop_duplicates()
    counts.insert(1, "subjects", np.bincount(pairs["code"].to_numpy(dtype=np.int64), minlength=len(uniques)))
    return counts


def rollups_of(bases: dict[Kind, pd.DataFrame], standard: Standard) -> pd.DataFrame:
    """Roll-ups of levels rule and class in the form of the `rollups` table, for a part of the county whose windows are given."""
    parts = []
    for kind, base in bases.items():
        for charged in CHARGED if kind == "roads" else ("entitled",):
            rules = tally(base, "rule_id", standard, charged=charged)
            names = [standard.rules[k].zh if k in standard.rules else k for k in rules["key"]]
            parts.append(rules.assign(level="rule", rule_id=rules["key"], name=names, charged=charged))
            if kind == "roads":
                for rule_id, rows in base.groupby("rule_id", sort=True):
                    classes = tally(rows, "policy_class", standard, charged=charged)
                    parts.append(
                        classes.assign(level="class", rule_id=str(rule_id), name=classes["key"], charged=charged)
                    )
    parts = [p for p in parts if len(p)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
