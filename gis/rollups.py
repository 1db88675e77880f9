"""Roll-ups: counts, kilometre-windows and rate bounds of windows by county, zone, town, squad, class, road, grid, person and rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.crew import column_text
from gis.rates import OUTCOMES, count_frame, excused_millimetres, tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from gis.network.model import Network
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

COUNTY = "county"
ALL_RULES = "all"
NONE = "-"
CHARGED = {"entitled": "outcome", "responsible": "outcome_responsible"}


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """G groups of one level: what they are called, and what they hold for each whom windows are charged to.

    Attributes:
        head: level, key, name and rule_id, object (G,) each.
        subjects: int64 (G,), how many subjects have a window.
        held: charged -> windows and millimetres per outcome, int64 (G, 4) each.
    """

    head: dict[str, npt.NDArray[np.object_]]
    subjects: I8
    held: dict[str, tuple[I8, I8]]


def rollup(
    *,
    level: str,
    keys: Sequence[str],
    names: Mapping[str, str],
    subject_of_row: I8,
    rule_of_row: I8,
    rule_ids: Sequence[str],
    outcomes: Mapping[str, I8],
    length_mm: I8,
    excused_mm: I8 | None = None,
    over_all: bool = True,
) -> list[Groups]:
    """The groups of one level: one per key over all rules where there are several, and one per key and rule.

    Args:
        level: name of the level.
        keys: key of each subject; empty text becomes `-`.
        names: key -> name; a key without one is its own name.
        subject_of_row: int64 (W,), subject of each window; a window may occur under several keys (persons).
        rule_of_row: int64 (W,), index into `rule_ids`.
        rule_ids: the rules.
        outcomes: whom it is charged to (entitled, responsible) -> int64 (W,), index into OUTCOMES.
        length_mm: int64 (W,).
        excused_mm: int64 (W,), what of it is closed; None: nothing.
        over_all: whether groups over all rules are wanted.
    """
    labels = np.array([k or NONE for k in keys], dtype=object)
    codes, uniques = pd.factorize(labels, sort=True)
    titles = np.array([_name(level, str(k), names) for k in uniques.tolist()], dtype=object)
    seen = np.zeros(len(keys) * len(rule_ids), dtype=np.bool_)
    seen[subject_of_row * len(rule_ids) + rule_of_row] = True
    pairs = np.flatnonzero(seen)
    ids = np.array([ALL_RULES, *rule_ids], dtype=object)
    out = []
    for every in (True, False) if over_all and len(rule_ids) > 1 else (False,):
        group = codes[subject_of_row].astype(np.int64) * len(ids) + (0 if every else rule_of_row + 1)
        kept, place = np.unique(group, return_inverse=True)  # groups that have a window at all
        subject = np.unique(pairs // len(rule_ids)) if every else pairs // len(rule_ids)
        home = codes[subject].astype(np.int64) * len(ids) + (0 if every else pairs % len(rule_ids) + 1)
        of = kept // len(ids)
        head = {
            "level": np.full(len(kept), level, dtype=object), "key": uniques[of], "name": titles[of],
            "rule_id": ids[kept % len(ids)],
        }  # fmt: skip
        held = {
            charged: tally(place, outcome, length_mm, len(kept), excused_mm) for charged, outcome in outcomes.items()
        }
        out.append(Groups(head, np.bincount(np.searchsorted(kept, home), minlength=len(kept)), held))
    return out


def _frame(groups: Sequence[Groups], charges: Sequence[str], standard: Standard) -> pd.DataFrame:
    """Rows of the `rollups` contract: all groups charged to the first, then to the next."""
    columns = {n: np.concatenate([g.head[n] for g in groups]) for n in ("level", "key", "name", "rule_id")}
    size, times = len(columns["key"]), len(charges)
    subjects = np.concatenate([g.subjects for g in groups])
    counts, mm = (np.concatenate([g.held[c][i] for c in charges for g in groups]) for i in range(2))
    head = {n: np.tile(values, times) for n, values in columns.items()}
    head |= {"charged": np.repeat(np.array(charges, dtype=object), size), "subjects": np.tile(subjects, times)}
    return pd.concat([pd.DataFrame(head), count_frame(counts, mm, standard)], axis=1)


def _name(level: str, key: str, names: Mapping[str, str]) -> str:
    if key == NONE:
        return "未划分"
    return "全县" if level == COUNTY and key == COUNTY else names.get(key) or key


def road_rollups(
    network: Network, section_windows: pd.DataFrame, standard: Standard, *, names: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """Roll-ups of the road rules, charged to anyone entitled and to the responsible person.

    Args:
        network: sections with their town, squad, class, road and grid.
        section_windows: as `road_frequency` gives it.
        standard: says how rates are weighted.
        names: names of towns, squads, work grids and persons by level (`town`, `squad`, `work_grid`, `person`).
    """
    if not len(section_windows):
        return pd.DataFrame()
    sections = network.sections
    place = pd.Series(np.arange(len(sections)), index=sections["section_id"].to_numpy())
    subject = place.reindex(section_windows["section_id"]).to_numpy(dtype=np.int64)
    rule_ids = list(standard.road_rules())
    rule = pd.Categorical(section_windows["rule_id"], categories=rule_ids).codes.astype(np.int64)
    length, closed = section_windows["length_mm"].to_numpy(dtype=np.int64), excused_millimetres(section_windows)
    columns = {
        "zone": "zone",
        "town": "town_id",
        "squad": "unit_id",
        "class": "policy_class",
        "road": "road_id",
        "work_grid": "work_grid_id",
    }
    roads = dict(zip(column_text(sections, "road_id"), column_text(sections, "road_name"), strict=True))
    titles = {
        **names,
        "road": roads,
        "class": _CLASSES,
        "zone": _ZONES,
        "rule": {k: r.zh for k, r in standard.rules.items()},
    }
    section_rules = np.array([r if r in rule_ids else "" for r in column_text(sections, "rule_id")], dtype=object)
    outcomes = {
        charged: pd.Categorical(section_windows[column], categories=list(OUTCOMES)).codes.astype(np.int64)
        for charged, column in CHARGED.items()
    }
    groups: list[Groups] = []
    for level, name in {COUNTY: "", "rule": "", **columns}.items():
        keys = [COUNTY] * len(sections) if level == COUNTY else list(section_rules)
        keys = column_text(sections, name) if name else keys
        groups += rollup(
            level=level, keys=keys, names=titles.get(level, {}), subject_of_row=subject, rule_of_row=rule,
            rule_ids=rule_ids, outcomes=outcomes, length_mm=length, excused_mm=closed, over_all=level != "rule",
        )  # fmt: skip
    groups += _by_person(section_windows, subject, rule, rule_ids, outcomes, length, closed, titles.get("person", {}))
    return _frame(groups, list(CHARGED), standard)


_CLASSES = {"main": "主干道", "secondary": "次干道", "branch": "支路"}
_ZONES = {"central": "中心城区", "fringe": "城郊结合部"}


def _by_person(
    windows: pd.DataFrame, subject: I8, rule: I8, rule_ids: Sequence[str], outcomes: Mapping[str, I8], length: I8, closed: I8,
    names: Mapping[str, str],
) -> list[Groups]:  # fmt: skip
    """Windows of each person who answered for them on duty; a window of two persons counts for each."""
    text = windows["person_ids"]
    codes, uniques = pd.factorize(text.where(text.notna(), ""))
    people = [str(u).split(";") if u else [] for u in uniques]
    sizes = np.array([len(p) for p in people], dtype=np.int64)
    ids = sorted({p for who in people for p in who})
    place = {p: i for i, p in enumerate(ids)}
    flat = np.array([place[p] for who in people for p in who], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    times = sizes[codes]
    rows = np.repeat(np.arange(len(windows)), times)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    person = flat[np.repeat(first[codes], times) + nth] if len(rows) else np.zeros(0, dtype=np.int64)
    pair, back = np.unique(person * (int(subject.max()) + 1) + subject[rows], return_inverse=True)
    keys = [ids[i] for i in (pair // (int(subject.max()) + 1)).tolist()]
    return rollup(
        level="person", keys=keys, names=names, subject_of_row=back.astype(np.int64), rule_of_row=rule[rows], rule_ids=rule_ids,
        outcomes={charged: outcome[rows] for charged, outcome in outcomes.items()}, length_mm=length[rows], excused_mm=closed[rows],
    )  # fmt: skip


def subject_rollups(
    frame: pd.DataFrame,
    levels: Mapping[str, Sequence[str]],
    standard: Standard,
    *,
    length_mm: I8,
    names: Mapping[str, Mapping[str, str]],
) -> pd.DataFrame:
    """Roll-ups of grids and communities: frames with `grid_id`, `rule_id`, `outcome`, one row a window; open and no_rule are left out.

    Args:
        frame: the windows.
        levels: level -> key of each row.
        standard: says how rates are weighted.
        length_mm: int64, weight of each row (1 km each where the rule counts no length).
        names: names by level.
    """
    keep = np.flatnonzero(frame["outcome"].isin(OUTCOMES).to_numpy() & frame["rule_id"].notna().to_numpy())
    if not len(keep):
        return pd.DataFrame()
    rule_ids = sorted(set(frame["rule_id"].iloc[keep]))
    rule = pd.Categorical(frame["rule_id"].iloc[keep], categories=rule_ids).codes.astype(np.int64)
    outcome = pd.Categorical(frame["outcome"].iloc[keep], categories=list(OUTCOMES)).codes.astype(np.int64)
    subjects, _ = pd.factorize(frame["grid_id"].iloc[keep])
    first = np.unique(subjects, return_index=True)[1]
    common: dict[str, Any] = {
        "rule_of_row": rule, "rule_ids": rule_ids, "outcomes": {"entitled": outcome}, "length_mm": length_mm[keep],
        "over_all": False,
    }  # fmt: skip
    groups: list[Groups] = []
    for level, keys in levels.items():
        by_subject = [str(keys[int(keep[i])] or "") for i in first]
        groups += rollup(
            level=level, keys=by_subject, names=names.get(level, {}), subject_of_row=subjects.astype(np.int64), **common
        )
    titles = {k: r.zh for k, r in standard.rules.items()}
    (by_rule,) = rollup(level="rule", keys=rule_ids, names=titles, subject_of_row=rule, **common)
    per_rule = {r: len(np.unique(subjects[rule == i])) for i, r in enumerate(rule_ids)}
    groups.append(replace(by_rule, subjects=np.array([per_rule[r] for r in by_rule.head["rule_id"]], dtype=np.int64)))
    return _frame(groups, ["entitled"], standard)


ROUND_COLUMNS = ("rounds_required", "rounds_completed", "rounds_possible")


def with_rounds(rollups: pd.DataFrame, grid_days: pd.DataFrame, levels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Roll-ups of grids with their rounds: required, completed for certain and possible at most, and the bounds of their rate.

    Each grid counts up to what it owes, so that one gone round twenty times makes up for none; excused grids are left out.

    Args:
        rollups: of `subject_rollups(grid_days, levels, ...)`.
        grid_days: as `grid_rounds` gives them.
        levels: level -> key of each row.
    """
    if not len(rollups):
        return rollups
    asked = grid_days["outcome"].isin(("covered", "missed", "unknown")) & grid_days["rule_id"].notna()
    kept = np.flatnonzero(asked.to_numpy())
    required = grid_days["required_rounds"].iloc[kept].to_numpy(dtype=np.int64)
    figures = [
        np.minimum(grid_days[c].iloc[kept].to_numpy(dtype=np.int64), required)
        for c in ("completed_rounds", "possible_rounds")
    ]
    rules = grid_days["rule_id"].iloc[kept].astype(str).to_numpy(dtype=object)
    parts = []
    for level, keys in {**levels, "rule": ()}.items():
        key = list(rules) if level == "rule" else [str(keys[i] or NONE) for i in kept.tolist()]
        frame = pd.DataFrame(dict(zip(ROUND_COLUMNS, (required, *figures), strict=True)))
        parts.append(frame.assign(level=level, key=key, rule_id=rules))
    sums = pd.concat(parts).groupby(["level", "key", "rule_id"], as_index=False)[list(ROUND_COLUMNS)].sum()
    out = rollups.merge(sums, on=["level", "key", "rule_id"], how="left")
    owed = out["rounds_required"].where(out["rounds_required"] > 0)
    out["rate_rounds_low"], out["rate_rounds_high"] = out["rounds_completed"] / owed, out["rounds_possible"] / owed
    return out.astype(dict.fromkeys(ROUND_COLUMNS, "Int64"))
