"""Live evidence of a day that is under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layers.models import BIG, JSON, UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_days", sa.Column("day", sa.Date(), primary_key=True), sa.Column("serial", BIG, nullable=False),
        sa.Column("until_ms", BIG, nullable=False), sa.Column("positions", BIG, nullable=False),
        sa.Column("made_at", UtcTime, nullable=False), sa.Column("editions", JSON, nullable=False),
        sa.Column("code_version", sa.Text, nullable=False), sa.Column("seconds", JSON, nullable=False),
    )  # fmt: skip
    op.create_table(
        "live_tables", sa.Column("day", sa.Date(), primary_key=True), sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )  # fmt: skip
