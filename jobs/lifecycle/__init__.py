"""The life of a job: every change of its status or lease, with its events."""
