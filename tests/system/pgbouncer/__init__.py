"""Tests of pgbouncer."""
