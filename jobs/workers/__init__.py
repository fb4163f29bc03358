"""The embedded worker, and the dispatcher that hands due jobs to another engine."""
