"""Alembic's entry: the connection is handed over by `layers.store.schema`; there is no offline mode."""

from __future__ import annotations

from alembic import context

from layers.models import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    version_table_schema=context.config.attributes["schema"],
)
context.run_migrations()
