"""Statistics of ended jobs, in buckets of five minutes; the overview's charts read them."""

from typing import ClassVar

from django.db import models


class Statistic(models.Model):
    """The jobs that ended in one bucket, counted once by ``stats.rollup`` and never changed.

    A bucket without jobs has no row, unless it is the last one that was counted.
    """

    # The beginning of the bucket: a multiple of five minutes since 1970 in UTC.
    bucket_at = models.DateTimeField()
    completed = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    cancelled = models.PositiveIntegerField()
    # How long they ran and waited: SLOTS counts each, by slots of a logarithmic scale.
    run_slots = models.JSONField()
    wait_slots = models.JSONField()

    class Meta:
        ordering: ClassVar = ["bucket_at"]
        default_permissions: ClassVar = []  # no page asks for any
        constraints: ClassVar = [models.UniqueConstraint(fields=["bucket_at"], name="jobs_statistic_unique_bucket")]

    def __str__(self) -> str:
        return f"statistic of {self.bucket_at:%Y-%m-%d %H:%M}"
