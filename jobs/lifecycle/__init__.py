"""The life of a job: every change of its status or lease, and what is written with it."""
