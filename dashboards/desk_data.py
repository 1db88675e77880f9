"""What is loaded, as the data page shows it: pure, from the store's ledgers and the standard to tables."""

# ruff: noqa: E501 (a row of a table stands on one line)

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from dashboards.exports.text import as_text
from gis.standard import CommunityRule, DensityRule, RoadRule, RoundsRule, Setting
from layers.contracts import TABLES
from layers.standard_words import value_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gis.standard import Rule, Standard, StatementRule
    from layers.store.base import Edition, Manifest, Run

SHORT = 12
MANIFEST_COLUMNS = [
    "manifest_id", "source", "table", "path", "sha256", "rows_in", "inserted", "already_present", "quarantined", "adds_up", "reasons", "crs",
    "encoding", "notes", "loaded_at",
]  # fmt: skip
RUN_COLUMNS = [
    "day",
    "run_id",
    "current",
    "standard",
    "edition",
    "standard_state",
    "code_version",
    "created_at",
    "total_s",
    "stages",
    "inputs",
]


def table_title(name: str, lang: str) -> str:
    """The words of a table."""
    contract = TABLES.get(name)
    if contract is None:
        return {"positions": ("定位", "Positions")}.get(name, (name, name))[0 if lang == "zh" else 1]
    return contract.zh if lang == "zh" else contract.en


def manifest_table(manifests: Sequence[Manifest], lang: str = "zh") -> pd.DataFrame:
    """One row a load, newest first, notes in a language; `adds_up` says whether rows in = inserted + already present + quarantined."""
    rows = [
        {
            "manifest_id": m.manifest_id, "source": m.record.source, "table": m.record.table, "path": m.record.path, "sha256": m.record.sha256,
            "rows_in": m.record.rows_in, "inserted": m.inserted, "already_present": m.already_present, "quarantined": m.quarantined,
            "adds_up": m.record.rows_in == m.inserted + m.already_present + m.quarantined,
            "reasons": dict(sorted(m.reasons.items())), "crs": m.record.crs or "", "encoding": m.record.encoding or "",
            "notes": ("；" if lang == "zh" else "; ").join((n.zh if lang == "zh" else n.en) for n in m.record.notes), "loaded_at": m.loaded_at,
        }
        for m in manifests
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=MANIFEST_COLUMNS)


def edition_table(
    editions: Sequence[Edition], used: Mapping[str, str], manifests: Sequence[Manifest] = (), lang: str = "zh"
) -> pd.DataFrame:
    """One row an edition, newest first; `used`: in the latest run; `warnings`: what its loads were warned of, in a language."""
    doubts = {m.manifest_id: [n.zh if lang == "zh" else n.en for n in m.record.notes if n.warns] for m in manifests}
    rows = [
        {"table": e.table, "edition_id": e.edition_id, "rows": e.rows, "valid_from": e.valid_from, "loaded_at": e.loaded_at,
         "sources": len(e.manifest_ids), "used": used.get(e.table) == e.edition_id,
         "warnings": list(dict.fromkeys(w for m in e.manifest_ids for w in doubts.get(m, [])))}
        for e in reversed(editions)
    ]  # fmt: skip
    return pd.DataFrame(
        rows, columns=["table", "edition_id", "rows", "valid_from", "loaded_at", "sources", "used", "warnings"]
    )


def reason_counts(manifests: Sequence[Manifest]) -> pd.DataFrame:
    """Rows set aside by source and reason, over all loads: source, code, rows; most first."""
    rows = [{"source": m.record.source, "code": c, "rows": n} for m in manifests for c, n in m.reasons.items()]
    frame = pd.DataFrame(rows, columns=["source", "code", "rows"])
    summed: pd.DataFrame = frame.groupby(["source", "code"])["rows"].sum().reset_index()
    return summed.sort_values(
        ["rows", "source", "code"], ascending=[False, True, True], kind="stable", ignore_index=True
    )


def quarantine_rows(quarantine: pd.DataFrame, *, source: str = "", code: str = "") -> pd.DataFrame:
    """Rejected rows of a source and a reason (empty: any), in their order."""
    keep = pd.Series(True, index=quarantine.index)
    for column, wanted in (("source", source), ("code", code)):
        if wanted:
            keep &= quarantine[column] == wanted
    return quarantine[keep].reset_index(drop=True)


def quarantine_csv(quarantine: pd.DataFrame) -> str:
    """Rejected rows as CSV text (with BOM, for Excel); no cell begins as a formula."""
    out = quarantine[["source", "row", "column", "code", "zh", "en", "raw"]].copy()
    for column in ("source", "column", "code", "zh", "en", "raw"):
        out[column] = [as_text(str(v)) if isinstance(v, str) else "" for v in out[column]]
    buffer = io.StringIO()
    out.to_csv(buffer, index=False, lineterminator="\r\n")
    return "\ufeff" + buffer.getvalue()


def reason_words(quarantine: pd.DataFrame, lang: str) -> dict[str, str]:
    """Words of each reason's code, where all of its rows say the same."""
    said = quarantine.groupby("code")[lang].agg(["first", "nunique"]) if len(quarantine) else pd.DataFrame()
    return {str(k): str(r["first"]) for k, r in said.iterrows() if r["nunique"] == 1}


def raw_words(raw: object, *, lang: str = "zh", longest: int = 160) -> str:
    """A rejected row as read: name: value, for people; cut where it is long."""
    try:
        values = json.loads(str(raw))
    except ValueError:
        values = raw
    between, after = ("；", "：") if lang == "zh" else ("; ", ": ")
    named = isinstance(values, dict)
    text = between.join(f"{k}{after}{v}" for k, v in values.items() if v is not None) if named else str(values)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def run_table(
    runs: Sequence[Run], current: Mapping[Any, str], *, present: str, count: int = 30, inputs: bool = True
) -> pd.DataFrame:
    """The last audits, newest first: what each stage took, in seconds; `current`: the day's pointer names it; inputs only where asked.

    `standard_state`: present (the standard's file is as it was, its edition is `present`), changed, or not_stored (an audit before
    standards were stored).
    """
    rows = [
        {
            "day": r.day, "run_id": r.run_id, "current": current.get(r.day) == r.run_id, "standard": f"{r.standard_id} {r.standard_version}",
            "edition": r.standard_edition or "", "standard_state": _standard_state(r, present),
            "code_version": r.code_version, "created_at": r.created_at, "total_s": float(sum(r.seconds.values())), "stages": dict(r.seconds),
            "inputs": [dict(i) for i in r.inputs] if inputs else [],
        }
        for r in runs[:count]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def _standard_state(run: Run, present: str) -> str:
    if run.standard_edition is None:
        return "not_stored"
    return "present" if run.standard_edition == present else "changed"


STATED_UNITS = {"per_week": ("次/周", "a week")}
CADENCES = {
    "half_day": ("每半天", "every half day"),
    "two_days": ("每两天", "every two days"),
    "week": ("每周", "every week"),
}


def _figure(rule: Rule) -> tuple[str, str]:
    if isinstance(rule, RoadRule):
        hours = None if rule.interval_s is None else f"{rule.interval_s / 3600:g}"
        return (f"每 {hours} 小时 1 次", f"every {hours} h") if hours else ("每天 1 次", "once a day")
    if isinstance(rule, RoundsRule):
        return f"每天 {rule.rounds_per_day} 次以上", f"{rule.rounds_per_day} rounds a day or more"
    if isinstance(rule, DensityRule):
        return f"每 {rule.km2_per_person:g} km² 1 人", f"1 per {rule.km2_per_person:g} km²"
    if isinstance(rule, CommunityRule):
        return CADENCES[rule.cadence]
    return _stated(rule)


def _stated(rule: StatementRule) -> tuple[str, str]:
    if rule.figure is None:
        return "", ""
    if rule.unit == "share":
        return f"{rule.figure:.0%}", f"{rule.figure:.0%}"
    high = f"–{rule.figure_high:g}" if rule.figure_high is not None else ""
    zh, en = STATED_UNITS.get(rule.unit, (rule.unit, rule.unit))
    return f"{rule.figure:g}{high} {zh}".strip(), f"{rule.figure:g}{high} {en}".strip()


def figure_of(rule: Rule, lang: str) -> str:
    """The figure of a rule in words."""
    return _figure(rule)[0 if lang == "zh" else 1]


def rule_table(standard: Standard, lang: str) -> pd.DataFrame:
    """Every rule and clock: rule_id, clause, name, figure, roles, quote, assumption, reason."""
    rows = [
        {"rule_id": k, "clause": r.clause, "name": r.zh if lang == "zh" else r.en, "figure": figure_of(r, lang),
         "roles": tuple(getattr(r, "roles", ())), "quote": r.quote, "assumption": r.assumption,
         "reason": r.reason_zh if lang == "zh" else r.reason_en}
        for k, r in standard.rules.items()
    ]  # fmt: skip
    for key, clock in standard.clocks.items():
        amount = f"{clock.amount:g} " if clock.amount is not None else ""
        unit = CLOCK_UNITS[clock.unit][0 if lang == "zh" else 1]
        rows.append(
            {"rule_id": key, "clause": clock.clause, "name": clock.zh if lang == "zh" else clock.en, "figure": f"{amount}{unit}", "roles": (),
             "quote": clock.quote, "assumption": clock.assumption, "reason": clock.reason_zh if lang == "zh" else clock.reason_en}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["rule_id", "clause", "name", "figure", "roles", "quote", "assumption", "reason"])


CLOCK_UNITS = {
    "at_once": ("立即", "at once"), "same_day": ("当日", "the same day"), "day": ("天", "days"), "working_day": ("个工作日", "working days"),
    "working_hour": ("工作小时", "working hours"), "category": ("按类别时限", "the category's limit"), "none": ("未写明", "no figure"),
}  # fmt: skip


def assumption_table(standard: Standard, lang: str) -> pd.DataFrame:
    """What the policy leaves open and how the standard settles it: key, name, value, reason."""
    rows = []
    for key, part in standard.assumptions():
        name = getattr(part, "zh" if lang == "zh" else "en", "") or key
        value = f"{value_words(part.value)} {part.unit}".strip() if isinstance(part, Setting) else ""
        reason = getattr(part, "reason_zh" if lang == "zh" else "reason_en", "")
        rows.append({"key": key, "name": name, "value": value, "reason": reason})
    return pd.DataFrame(rows, columns=["key", "name", "value", "reason"])


def scene_table(scenes: pd.DataFrame) -> pd.DataFrame:
    """One row a scene, latest first: bands by role with their file and index, cloud mask, hash."""
    rows = []
    for s in scenes.to_dict("records"):
        bands = "; ".join(
            f"{role}: {at['path'].rsplit('/', 1)[-1]}#{at['index']}" for role, at in dict(s["bands"]).items()
        )
        mask = s["cloud_mask"]
        cloud = str(mask.get("path", "")).rsplit("/", 1)[-1] if isinstance(mask, dict) else ""
        rows.append(
            {
                **{k: s[k] for k in ("scene_id", "acquired", "sensor", "crs", "nodata", "sha256")},
                "bands": bands,
                "cloud": cloud,
            }
        )
    columns = ["scene_id", "acquired", "sensor", "crs", "nodata", "bands", "cloud", "sha256"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        "acquired", ascending=False, kind="stable", ignore_index=True
    )
