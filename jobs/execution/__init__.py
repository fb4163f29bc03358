"""One attempt of one job: its context, its chunks, its lease, and the runner."""
