"""The tables of the benchmarks: one to erase from, and one of a host that has an engine alone."""

from typing import ClassVar

from django.db import models


class Visit(models.Model):
    """A recorded visit. It is created without migrations, so it has no foreign key to tables that have some."""

    project_number = models.BigIntegerField()
    user_id = models.CharField(max_length=256)
    started_at = models.DateTimeField()
    duration = models.DurationField()
    country = models.CharField(max_length=2)
    page = models.CharField(max_length=200)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["project_number", "user_id", "id"], name="benchmarks_visit_of_user")]

    def __str__(self) -> str:
        return f"visit {self.pk}"


class BareJob(models.Model):
    """The job of a host that has an engine without ``jobs``."""

    status = models.CharField(max_length=9)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"bare job {self.pk}"
