"""Verbs that change something: schedule, cancel, retry, pause, prune."""
