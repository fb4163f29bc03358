"""One attempt of one job: its context, chunks, lease and runner."""
