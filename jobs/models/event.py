"""Events: the history of a job. Rows are only added, in the transaction of the change."""

from typing import ClassVar

from django.db import models


class JobEvent(models.Model):
    """One change of a job. The ids of a job's events are in the order of the changes."""

    class What(models.TextChoices):
        """The kinds of changes."""

        SCHEDULED = "scheduled", "scheduled"
        CLAIMED = "claimed", "claimed"
        RELEASED = "released", "released"
        RETRYING = "retrying", "attempt failed, will be retried"
        RESCUED = "rescued", "rescued from a lost worker"
        COMPLETED = "completed", "completed"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"
        # Interventions that leave the status as it is.
        HELD = "held", "held"
        RESUMED = "resumed", "resumed"
        ADVANCED = "advanced", "due at once"
        RETRIED = "retried", "retried by another job"

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="events", db_index=False)
    at = models.DateTimeField()
    what = models.CharField(max_length=20, choices=What)
    # Empty for the first event of a job.
    from_status = models.CharField(max_length=9, blank=True)
    to_status = models.CharField(max_length=9)
    attempt = models.PositiveIntegerField()
    # str(Actor): key:jsk_…, staff:<user id>, worker:<name>, system.
    actor = models.CharField(max_length=220)
    request_id = models.CharField(max_length=128, blank=True)
    # A sentence of this app, or the reason of an intervention, as integrators, host code or staff gave it.
    note = models.TextField(blank=True)
    # A traceback; may have personal data, so only staff with a permission see it.
    detail = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["job", "id"], name="jobs_event_of_job")]

    def __str__(self) -> str:
        return f"{self.what} (job {self.job_id})"
