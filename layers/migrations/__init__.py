"""Revisions of the store, the same for PostgreSQL and SQLite, run by `Store.prepare`."""
