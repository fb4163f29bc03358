"""The part that runs inside another engine's worker process."""
