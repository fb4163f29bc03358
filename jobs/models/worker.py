"""The processes that are alive, for people and for ``waitingFor``."""

from typing import ClassVar

from django.db import models


class Worker(models.Model):
    """One process; it writes ``beat_at`` with every beat and removes its row when it ends in good order."""

    class Kind(models.TextChoices):
        """What the process does."""

        WORKER = "worker"
        """A ``jobworker``: finds due jobs and runs them."""
        ENGINE = "engine"
        """A process of another engine: runs jobs that a dispatcher hands over."""
        DISPATCHER = "dispatcher"
        """A ``jobdispatcher``: hands due jobs over and runs none."""

    # host:pid:random, unique over time.
    name = models.CharField(max_length=200)
    # The database's default, as workers of a release before this column go on inserting while it is rolled out.
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.WORKER, db_default=Kind.WORKER)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="jobs_worker_unique_name")]

    def __str__(self) -> str:
        return self.name
