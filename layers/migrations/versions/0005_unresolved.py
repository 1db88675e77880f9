"""Responsibilities that match nothing, with what to write instead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layers.models import BIG

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXTS = (
    "source_text", "target_kind", "road_name", "from_name", "to_name", "person_id", "reason_zh", "reason_en", "write_zh", "write_en",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "unresolved", sa.Column("fid", BIG, primary_key=True, autoincrement=True), sa.Column("run_no", BIG, nullable=False),
        sa.Column("day", sa.Date, nullable=False), sa.Column("ordinal", BIG, nullable=False), sa.Column("responsibility_id", sa.Text),
        sa.Column("source_name", sa.Text), sa.Column("source_row", BIG), *(sa.Column(n, sa.Text) for n in TEXTS),
    )  # fmt: skip
    op.create_index("ix_unresolved_run_no", "unresolved", ["run_no", "ordinal"], unique=True)
