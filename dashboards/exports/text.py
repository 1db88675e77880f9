"""CSV, JSON and GeoJSON: the same run gives the same bytes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dashboards.views import View
    from layers.store.base import Run

# What spreadsheets take for a formula when a cell begins with it (OWASP, CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
COORDINATE_DIGITS = 7  # about a centimetre


def as_text(value: str) -> str:
    """A text that no spreadsheet runs: an apostrophe goes before what would begin a formula."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def write_csv(view: View, path: Path, *, time_zone: str) -> Path:
    """A view as CSV: UTF-8 with BOM (for Excel), contract names as headings, local times with offset, floats to 9 significant digits."""
    plain = view.plain().copy()
    for c in view.columns:
        if c.name not in plain:
            continue
        if c.dtype == "time":
            local = pd.to_datetime(plain[c.name], utc=True).dt.tz_convert(time_zone)
            plain[c.name] = [v.isoformat(timespec="milliseconds") if not pd.isna(v) else "" for v in local]
        elif c.dtype == "float":
            plain[c.name] = [_number(v) for v in plain[c.name].to_numpy(dtype=float)]
        elif c.dtype in {"str", "json"}:
            plain[c.name] = [as_text(str(v)) if not is_missing(v) else "" for v in plain[c.name]]
        elif c.dtype == "bool":
            plain[c.name] = plain[c.name].map({True: "true", False: "false"})
    plain.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    return path


def write_columns(views: Iterable[View], path: Path) -> Path:
    """What every column of the CSV files means: file, column, Chinese, English, unit."""
    rows = [
        {"table": v.name, "column": c.name, "zh": c.zh, "en": c.en, "unit": c.unit}
        for v in views
        for c in v.columns
        if c.name != "geometry"
    ]
    pd.DataFrame(rows).to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    return path


def write_json(value: Any, path: Path) -> Path:
    """JSON with sorted keys and Chinese as it is."""
    path.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return path


def write_geojson(view: View, path: Path) -> Path:
    """A view with places as GeoJSON (RFC 7946), coordinates to a centimetre."""
    shapes = shapely.set_precision(view.frame["geometry"].to_numpy(), 10.0**-COORDINATE_DIGITS, mode="pointwise")
    names = [c.name for c in view.columns if c.name != "geometry"]
    rows = zip(*(view.frame[n].tolist() for n in names), strict=True)
    features = [
        {
            "type": "Feature",
            "properties": {n: _json_value(v) for n, v in zip(names, row, strict=True)},
            "geometry": json.loads(text) if text else None,
        }
        for row, text in zip(rows, shapely.to_geojson(shapes).tolist(), strict=True)
    ]
    body = {"type": "FeatureCollection", "name": view.name, "features": features}
    path.write_text(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return path


def summary(run: Run, rollups: pd.DataFrame, findings: pd.DataFrame) -> dict[str, Any]:
    """What a run says in short, and what it rests on; nothing in it depends on when or where it was computed."""
    rules = rollups[rollups["level"] == "rule"]
    return {
        "day": str(run.day),
        "city": run.city,
        "run_id": run.run_id,
        "standard": {"id": run.standard_id, "version": run.standard_version, "edition": run.standard_edition},
        "code_version": run.code_version,
        "rules": [_rule(r) for r in rules[rules["charged"] == "entitled"].to_dict("records")],
        "rules_by_responsible_person": [_rule(r) for r in rules[rules["charged"] == "responsible"].to_dict("records")],
        "inputs": [dict(i) for i in run.inputs],
        "editions": dict(run.editions),
        "findings": [
            {k: _json_value(f[k]) for k in ("code", "subject", "count", "zh", "en")}
            for f in findings.to_dict("records")
        ],
    }


def _rule(row: Mapping[Any, Any]) -> dict[str, Any]:
    counts = {k: int(row[k]) for k in ("subjects", "windows", "covered", "missed", "unknown", "excused")}
    km = {k: round(float(row[k]), 6) for k in ("km_windows", "km_covered", "km_missed", "km_unknown", "km_excused")}
    rate = {"low": _json_value(row["rate_low"]), "high": _json_value(row["rate_high"])}
    return {"rule_id": row["rule_id"], "name": row["name"], **counts, **km, "rate": rate}


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT or NA."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _json_value(value: Any) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, pd.Timestamp):
        return value.isoformat(timespec="milliseconds")
    return value if isinstance(value, str | int | bool) else str(value)
