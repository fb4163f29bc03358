"""The worker processes that are alive, for people and for ``waitingFor``."""

from typing import ClassVar

from django.db import models


class Worker(models.Model):
    """One ``jobworker`` process; it writes ``beat_at`` with every beat and removes its row when it ends."""

    # host:pid:random, unique over time.
    name = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="jobs_worker_unique_name")]

    def __str__(self) -> str:
        return self.name
