"""The first tables: contracts as they were then, ledgers, and PostgreSQL's partitioned positions and passes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from layers.models import BIG, JSON, GeometryColumn, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# fmt: off
# ruff: noqa: E501 (one line a table)
CONTRACTS = {
    "road_edges": ("input", "edge_id:str u:str v:str source_class:str policy_class:str name:str oneway:int bridge:bool tunnel:bool level:int geometry:line"),
    "work_grids": ("input", "grid_id:str name:str level:str town_id:str unit_id:str geometry:polygon"),
    "community_grids": ("input", "grid_id:str name:str community:str town_id:str geometry:polygon"),
    "unit_grids": ("input", "grid_id:str name:str community_grid_id:str geometry:polygon"),
    "areas": ("input", "area_id:str kind:str name:str parent_id:str geometry:geometry"),
    "units": ("input", "unit_id:str name:str kind:str parent_id:str town_id:str"),
    "persons": ("input", "person_id:str name:str role:str unit_id:str town_id:str duty:str valid_from:time valid_to:time"),
    "devices": ("input", "device_id:str kind:str mode:str"),
    "assignments": ("input", "device_id:str person_id:str mode:str valid_from:time valid_to:time"),
    "responsibilities": ("input", "responsibility_id:str person_id:str duty_kind:str target_kind:str target_id:str road_name:str from_name:str to_name:str source_text:str resolved:bool problem:str valid_from:time valid_to:time"),
    "exceptions": ("input", "exception_id:str kind:str target_kind:str target_id:str substitute_id:str starts:time ends:time reason:str approver:str entered_at:time"),
    "cases": ("input", "case_id:str channel:str category:str title:str unit_id:str road_class:str opened:time dispatched:time due:time closed:time status:str located:bool geometry:point"),
    "checkins": ("input", "person_id:str place_id:str time:time arrived:time geometry:point"),
    "scenes": ("input", "scene_id:str acquired:date sensor:str bands:json nodata:float cloud_mask:json crs:str sha256:str geometry:polygon"),
    "segments": ("derived", "segment_id:str section_id:str road_id:str road_name:str source_class:str policy_class:str rule_id:str no_rule_reason:str patrollable:bool length_mm:int measure_from_mm:int measure_to_mm:int u:str v:str oneway:int bridge:bool tunnel:bool level:int work_grid_id:str community_grid_id:str town_id:str geometry:line"),
    "sections": ("derived", "section_id:str name:str road_id:str road_name:str from_name:str to_name:str policy_class:str rule_id:str no_rule_reason:str length_mm:int declared:bool unit_id:str work_grid_id:str town_id:str zone:str geometry:line"),
    "section_windows": ("result", "section_id:str rule_id:str window_ix:int starts:time ends:time required_share:float length_mm:int covered_mm:int covered_share:float outcome:str outcome_responsible:str covered_mm_responsible:int probability:float silent_s:float needed_s:float cause:str missing:str exception_id:str person_ids:str passes:int"),
    "section_days": ("result", "section_id:str rule_id:str windows:int covered:int missed:int unknown:int excused:int km_windows:float km_covered:float km_missed:float km_unknown:float km_excused:float rate_low:float rate_high:float covered_responsible:int completed_patrols:int longest_gap_s:float within_share:float last_completed:time duty_s:float"),
    "segment_days": ("result", "segment_id:str section_id:str rule_id:str passes:int visited_mm:int first_pass:time last_pass:time longest_gap_s:float within_share:float outcome:str"),
    "rollups": ("result", "level:str key:str name:str rule_id:str charged:str subjects:int windows:int covered:int missed:int unknown:int excused:int km_windows:float km_covered:float km_missed:float km_unknown:float km_excused:float rate_low:float rate_high:float"),
    "grid_days": ("result", "grid_id:str rule_id:str level:str required_rounds:int completed_rounds:int patrollable_mm:int visited_mm:int never_mm:int open_share:float outcome:str silent_s:float cause:str"),
    "grid_rounds": ("result", "grid_id:str round_ix:int started:time completed:time"),
    "unvisited": ("result", "grid_id:str segment_id:str from_mm:int to_mm:int geometry:line"),
    "community_windows": ("result", "grid_id:str rule_id:str starts:time ends:time finished:bool due:int done:int missing:str evidence:str outcome:str"),
    "density": ("result", "level:str area_id:str name:str zone:str area_km2:float required:float allocated:float on_duty:float present:float gap:float verdict:str"),
    "density_surface": ("result", "cell_id:str required_km2:float allocated_km2:float present_km2:float gap_km2:float geometry:polygon"),
    "hotspots": ("result", "period:str starts:date category:str cell_id:str cases:int gi_z:float p_value:float q_value:float hotspot:str kde_km2:float geometry:polygon"),
    "zonal": ("result", "scene_id:str grid_id:str measure:str mean:float share:float valid_share:float"),
    "zonal_change": ("result", "before_id:str after_id:str grid_id:str measure:str mean_change:float loss_share:float gain_share:float valid_share:float"),
    "people": ("result", "person_id:str name:str role:str unit_id:str town_id:str duty_s:float observed_s:float silent_s:float patrol_km:float too_fast_km:float off_duty_fixes:int shared_device:bool"),
    "device_days": ("result", "device_id:str person_ids:str assigned:bool fixes:int duplicates:int jumps:int outside:int median_interval_s:float longest_silence_s:float matched_share:float first_fix:time last_fix:time"),
    "case_clocks": ("result", "case_id:str clock_id:str started:time due:time closed:time outcome:str supervision:str"),
    "findings": ("result", "code:str subject:str count:int zh:str en:str"),
}
# fmt: on

_TYPES: dict[str, Any] = {
    "str": sa.Text, "int": lambda: BIG, "float": sa.Double, "bool": sa.Boolean, "time": UtcTime, "date": sa.Date, "json": sa.Text,
    "point": GeometryColumn, "line": GeometryColumn, "polygon": GeometryColumn, "geometry": GeometryColumn,
}  # fmt: skip
_SHAPES = {"point", "line", "polygon", "geometry"}


def _contract(name: str, kind: str, text: str) -> None:
    owner = "run_no" if kind == "result" else "part_no"
    columns: list[sa.Column[Any]] = [
        sa.Column("fid", BIG, primary_key=True, autoincrement=True),
        sa.Column(owner, BIG, nullable=False),
    ]
    if kind == "result":
        columns.append(sa.Column("day", sa.Date, nullable=False))
    columns.append(sa.Column("ordinal", BIG, nullable=False))
    pairs = [c.split(":") for c in text.split()]
    op.create_table(name, *columns, *(sa.Column(n, _TYPES[d](), nullable=True) for n, d in pairs))
    op.create_index(f"ix_{name}_{owner}", name, [owner, "ordinal"], unique=True)
    if op.get_bind().dialect.name == "postgresql":
        for n, d in pairs:
            if d in _SHAPES:
                op.create_index(f"gix_{name}", name, [n], postgresql_using="gist")


def _number(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, BIG, primary_key=True, autoincrement=False) if key else sa.Column(name, BIG, nullable=null)


def _text(name: str, *, null: bool = False, unique: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=null, unique=unique)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, JSON, nullable=False)


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, UtcTime, nullable=False)


def _day(name: str = "day", *, key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Date(), primary_key=key, nullable=False)


def _loads() -> None:
    op.create_table("store_meta", sa.Column("key", sa.Text, primary_key=True), _text("value"))
    op.create_table(
        "manifests", _number("seq", key=True), _text("manifest_id", unique=True), _json("record"), _number("inserted"), _number("already_present"),
        _number("quarantined"), _json("reasons"), _time("loaded_at"), _text("edition_id", null=True), _text("quarantine_sha256"), _text("quarantine_of"),
    )  # fmt: skip
    op.create_table(
        "quarantine", sa.Column("fid", BIG, primary_key=True, autoincrement=True), _text("manifest_id"), _number("ordinal"), _text("source"),
        _number("row", null=True), _text("column", null=True), _text("code"), _text("zh", null=True), _text("en", null=True), _text("raw", null=True),
    )  # fmt: skip
    op.create_index("ix_quarantine_manifest_id", "quarantine", ["manifest_id"])
    op.create_table(
        "parts", _number("part_no", key=True), _text("table"), _text("sha256"), _number("rows"),
        sa.UniqueConstraint("table", "sha256", name="uq_parts_table_sha256"),
    )  # fmt: skip
    op.create_table(
        "editions", _number("edition_no", key=True), _text("edition_id"), _text("table"), _number("rows"), _day("valid_from"), _time("loaded_at"),
        _number("seq"), _json("manifest_ids"), sa.UniqueConstraint("table", "edition_id", name="uq_editions_table_edition"),
    )  # fmt: skip
    op.create_table(
        "edition_parts",
        _number("edition_no", key=True),
        _number("position", key=True),
        _number("part_no"),
        _text("source"),
        _text("path"),
    )


def _runs() -> None:
    op.create_table(
        "runs", _number("run_no", key=True), _text("run_id", unique=True), _day(), _text("city"), _text("standard_id"), _text("standard_version"),
        _json("editions"), _json("inputs"), _text("code_version"), _time("created_at"), _json("seconds"), _number("passes"),
        _text("passes_file", null=True),
    )  # fmt: skip
    op.create_index("ix_runs_day", "runs", ["day"])
    op.create_table("run_pointer", _day(key=True), _number("run_no"), _number("move_no"))
    op.create_table(
        "pointer_moves",
        _number("move_no", key=True),
        _day(),
        _number("from_run_no", null=True),
        _number("to_run_no"),
        _time("moved_at"),
    )
    op.create_index("ix_pointer_moves_to_run_no", "pointer_moves", ["to_run_no"])
    op.create_table(
        "run_differences", _number("move_no", key=True), _number("ordinal", key=True), _text("table"), _text("key"), _text("column"),
        _text("before", null=True), _text("after", null=True),
    )  # fmt: skip


def _ledgers() -> None:
    for name in ("users", "access_log", "confirmations"):
        op.create_table(name, sa.Column("seq", BIG, primary_key=True, autoincrement=True), _time("at"), _json("body"))
        op.create_index(f"ix_{name}_at", name, ["at"])
    op.create_table(
        "position_files", sa.Column("file", sa.Text, primary_key=True), _day(), _number("rows"), _number("superseding"), _number("min_ms"),
        _number("max_ms"), _text("manifest_id"),
    )  # fmt: skip
    op.create_index("ix_position_files_day", "position_files", ["day"])
    op.create_table("position_days", _day(key=True), _number("rows"))


def upgrade() -> None:
    for name, (kind, text) in CONTRACTS.items():
        _contract(name, kind, text)
    _loads()
    _runs()
    _ledgers()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TABLE device_numbers (device_no integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, device_id text NOT NULL UNIQUE)"
        )
        op.execute(
            "CREATE TABLE position_rows (device_no integer NOT NULL, t_ms bigint NOT NULL, arrived_ms bigint NOT NULL,"
            " lon double precision NOT NULL, lat double precision NOT NULL) PARTITION BY RANGE (t_ms)"
        )
        op.execute(
            "CREATE TABLE pass_rows (run_no bigint NOT NULL, ordinal bigint NOT NULL, segment_ix integer NOT NULL, from_mm integer NOT NULL,"
            " to_mm integer NOT NULL, enter_ms bigint NOT NULL, leave_ms bigint NOT NULL, device_no integer NOT NULL, track_ix integer NOT NULL,"
            " first_fix_ms bigint NOT NULL, last_fix_ms bigint NOT NULL, seen boolean NOT NULL, confidence real NOT NULL)"
            " PARTITION BY LIST (run_no)"
        )
