"""The suite: what `jobs` promises, on SQLite and on PostgreSQL."""
