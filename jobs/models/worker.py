"""Heartbeats: one row for each live process, for people and for ``waitingFor``."""

from typing import ClassVar

from django.db import models


class Worker(models.Model):
    """One process; it writes ``beat_at`` with every heartbeat and deletes its row when it shuts down."""

    class Kind(models.TextChoices):
        """The kinds of processes."""

        WORKER = "worker"
        """A ``jobworker``: claims due jobs and runs them."""
        ENGINE = "engine"
        """An engine process: runs jobs that were dispatched to the engine."""
        DISPATCHER = "dispatcher"
        """A ``jobdispatcher``: dispatches due jobs and runs none."""

    # host:pid:random, unique over time.
    name = models.CharField(max_length=200)
    # With a default in the database: workers of a release before this column still insert rows during an upgrade.
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.WORKER, db_default=Kind.WORKER)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="jobs_worker_unique_name")]

    def __str__(self) -> str:
        return self.name
