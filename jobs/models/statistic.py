"""What ended in each five minutes, and how long it took: what the overview of weeks is drawn from."""

from typing import ClassVar

from django.db import models


class Statistic(models.Model):
    """The jobs that ended within five minutes, counted once by :mod:`jobs.stats.rollup` and never changed.

    Five minutes in which no job ended have no row, but for the latest that were looked at.
    """

    # The beginning of the five minutes, a multiple of them since 1970 in UTC.
    bucket_at = models.DateTimeField()
    completed = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    cancelled = models.PositiveIntegerField()
    # How many of them ran, and waited, for how long: counts by slots of a logarithmic scale, always SLOTS of them.
    run_slots = models.JSONField()
    wait_slots = models.JSONField()

    class Meta:
        ordering: ClassVar = ["bucket_at"]
        default_permissions: ClassVar = []  # nobody is asked for any
        constraints: ClassVar = [models.UniqueConstraint(fields=["bucket_at"], name="jobs_statistic_unique_bucket")]

    def __str__(self) -> str:
        return f"statistic of {self.bucket_at:%Y-%m-%d %H:%M}"
