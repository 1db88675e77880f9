"""Standards as editions, and the one that each run applied (empty for runs made before)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layers.models import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "standards",
        sa.Column("edition_id", sa.Text, primary_key=True),
        *(sa.Column(n, sa.Text, nullable=False) for n in ("standard_id", "version", "file", "content")),
        sa.Column("stored_at", UtcTime, nullable=False),
        *(sa.Column(n, sa.Text) for n in ("author", "reason")),
    )
    op.add_column("runs", sa.Column("standard_edition", sa.Text))
