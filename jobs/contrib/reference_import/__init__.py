"""Imports the jobs of the reference service: the one whose REST API ours replaces."""
