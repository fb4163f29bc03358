"""Faults, counted: real workers are killed, cut off and frozen, and a checker reads what became of every job."""
