"""Tries of passwords and ended sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layers.models import BIG

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_tries", sa.Column("try_id", sa.Text, primary_key=True), sa.Column("at_ms", BIG, nullable=False),
        sa.Column("name", sa.Text, nullable=False), sa.Column("address", sa.Text, nullable=False),
    )  # fmt: skip
    for column in ("at_ms", "name", "address"):
        op.create_index(f"ix_sign_in_tries_{column}", "sign_in_tries", [column])
    op.create_table(
        "ended_sessions", sa.Column("sid", sa.Text, primary_key=True), sa.Column("until_ms", BIG, nullable=False)
    )
