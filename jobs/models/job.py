"""The ``Job`` row: the one place that says what a job's state is."""

from typing import Any, ClassVar, Final, Self

from django.db import connections, models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..db.clock import NOW, Moment, compared
from ..status import ACTIVE, Status

# Plain strings, as they are written into migrations.
SCHEDULED: Final = Status.SCHEDULED.value
RUNNING: Final = Status.RUNNING.value
FAILED: Final = Status.FAILED.value
ALL: Final = [s.value for s in Status]
WAITS_OR_RUNS: Final = [s.value for s in ACTIVE]
FINAL: Final = [s.value for s in Status if s.is_final]
# Held jobs are in no index of those that may be claimed: a claim does not read past a million of them.
WAITING: Final = Q(status=SCHEDULED, held_at__isnull=True)

BIGGEST_ID: Final = 2**63 - 1
BLOCK_BITS: Final = 14
"""Ids are 16,384 to a block: to skip a block and to sort what is wanted of one cost about the same in a long list."""


class JobQuerySet(models.QuerySet["Job"]):
    """Reads; every write of status or lease is in ``transitions``."""

    def in_project(self, project: models.Model) -> Self:
        """Jobs of one project."""
        return self.filter(project=project)

    def active(self) -> Self:
        """Jobs that wait or run."""
        return self.filter(status__in=ACTIVE)

    def due(self, now: Moment = NOW) -> Self:
        """Jobs that may be claimed at ``now``."""
        return self.waiting().filter(due_at__lte=self._instant(now))

    def unreserved(self, now: Moment = NOW) -> Self:
        """Jobs that no dispatcher has handed over, or so long ago that they may be handed over again."""
        return self.filter(Q(reserved_until=None) | Q(reserved_until__lte=self._instant(now)))

    def reserved(self, now: Moment = NOW) -> Self:
        """Jobs that wait in an engine that they were handed to a short while ago."""
        return self.filter(status=Status.SCHEDULED, reserved_until__gt=self._instant(now))

    def held(self) -> Self:
        """Jobs that staff hold: they wait until they are resumed."""
        return self.filter(status=Status.SCHEDULED, held_at__isnull=False)

    def waiting(self) -> Self:
        """Jobs that wait and that nobody holds; they are due at some time."""
        return self.filter(status=Status.SCHEDULED, held_at__isnull=True)

    def expired(self, now: Moment = NOW) -> Self:
        """Running jobs whose lease has run out at ``now``."""
        return self.filter(status=Status.RUNNING, lease_expires_at__lt=self._instant(now))

    def _instant(self, now: Moment) -> Any:
        return compared(now, connections[self.db])


_Manager = models.Manager.from_queryset(JobQuerySet)


class JobManager(_Manager["Job"]):
    """Reads where it writes: an answer from a lagging replica would contradict the one before it."""

    def get_queryset(self) -> JobQuerySet:
        """Return all jobs, in the database that jobs are written to."""
        return JobQuerySet(self.model, using=self._db or router.db_for_write(self.model))


class Job(models.Model):
    """One request for long-running work, from creation to its end."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(conf.project_model_label(), on_delete=models.PROTECT, related_name="+", db_index=False)
    action = models.CharField(max_length=100)
    # Whom or what the action is about, exactly as sent; usually an e-mail address. 1 to 256 bytes of UTF-8;
    # empty once the job was redacted, and in no other case.
    reference_id = models.CharField(max_length=256)
    description = models.TextField()
    status = models.CharField(
        max_length=9, choices=[(s.value, s.value) for s in Status], default=Status.SCHEDULED.value
    )
    # Why it failed, in words of ours that integrators may see; null otherwise.
    errors = models.TextField(null=True)  # noqa: DJ001 – null is what the public contract answers
    # What the creator sent, checked by the action's serializer; null: nothing.
    parameters = models.JSONField(null=True)
    # reference_id for a unique action, else null.
    unique_key = models.CharField(max_length=256, null=True)  # noqa: DJ001 – nulls do not collide
    # The failed job that this one tries again; no other does.
    retry_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="retries", db_index=False)

    # The request that created it, if that may be repeated (Idempotency-Key), else null: who sent it under which key,
    # a fingerprint of its body, and the job's place in it. Kept as long as the row; see ``services.calls``.
    call_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001 – nulls do not collide
    call_body = models.CharField(max_length=64, null=True)  # noqa: DJ001 – null exactly when call_digest is
    call_index = models.SmallIntegerField(null=True)

    created_at = models.DateTimeField()
    # The last change of status or by staff; null until the first. Beats and progress leave it alone.
    updated_at = models.DateTimeField(null=True)
    # What the creator asked for; never changes.
    start_at = models.DateTimeField()
    # When it may be claimed next, unless it is held; backoff and staff change it.
    due_at = models.DateTimeField()
    # Since when staff hold it: it is not claimed until they resume it. Null unless scheduled.
    held_at = models.DateTimeField(null=True)
    # The first claim ever.
    started_at = models.DateTimeField(null=True)
    # When this attempt's action was entered; null while it waits in a worker. A crash counts only after it.
    begun_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    # The number of the latest claim; only grows.
    attempt = models.PositiveIntegerField(default=0)
    # Workers that died while it ran, and attempts that raised; these two carry the limits.
    crashes = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)

    # Set exactly while running: the fence of the attempt, and when it may be rescued.
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    # The worker that runs it or ran it to its end; null while scheduled.
    worker = models.CharField(max_length=200, null=True)  # noqa: DJ001 – null is "none", like the lease

    # Until when a dispatcher leaves it to the engine it was handed to; null: it was not, since it is in line.
    reserved_until = models.DateTimeField(null=True)

    progress_done = models.PositiveBigIntegerField(default=0)
    # Null until the action says what there is to do.
    progress_total = models.PositiveBigIntegerField(null=True)
    progress_at = models.DateTimeField(null=True)
    # {"stores": {name: {"found": n|null, "done": n, "left": n|null}}, "verified_at": ISO 8601}; see JobContext.
    receipt = models.JSONField(default=dict)
    # Of a bulk change: by status, the last id it has dealt with, where another attempt goes on. Null: none yet.
    bulk_positions = models.JSONField(null=True)

    objects = JobManager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("cancel_job", "Can cancel a job"),
            ("retry_job", "Can retry a failed job"),
            ("run_job", "Can run a job now"),
            ("hold_job", "Can hold and resume a job"),
            ("view_reference", "Can see whom a job is about"),
            ("view_job_detail", "Can see the traceback of a failed attempt"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=ALL), name="jobs_job_status_known"),
            models.CheckConstraint(
                condition=Q(status=RUNNING, lease_token__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status=RUNNING) & Q(lease_token__isnull=True, lease_expires_at__isnull=True)),
                name="jobs_job_lease_while_running",
            ),
            models.CheckConstraint(
                condition=Q(status=SCHEDULED, worker__isnull=True)
                | Q(status=RUNNING, worker__isnull=False)
                | Q(status__in=FINAL),
                name="jobs_job_worker_while_running",
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=False, status__in=FINAL)
                | Q(finished_at__isnull=True, status__in=WAITS_OR_RUNS),
                name="jobs_job_finished_when_final",
            ),
            models.UniqueConstraint(
                fields=["project", "action", "unique_key"],
                condition=Q(status__in=WAITS_OR_RUNS),
                name="jobs_job_one_active",
            ),
            # Also the look-up of what a repeated request created.
            models.UniqueConstraint(
                fields=["project", "call_digest", "call_index"],
                condition=Q(call_digest__isnull=False),
                name="jobs_job_one_of_call",
            ),
            # A failed job is tried again once; then its retry may be. Also the look-up of that retry.
            models.UniqueConstraint(
                fields=["retry_of"], condition=Q(retry_of__isnull=False), name="jobs_job_one_retry"
            ),
        ]
        indexes: ClassVar = [
            # The public list; also serves the foreign key.
            models.Index(fields=["project", "id"], name="jobs_job_list"),
            # The public list by status.
            models.Index(fields=["project", "status", "id"], name="jobs_job_list_by_status"),
            # The public list by action, and by reference.
            models.Index(fields=["project", "action", "id"], name="jobs_job_list_by_action"),
            models.Index(fields=["project", "reference_id", "id"], name="jobs_job_list_by_reference"),
            # The public list sorted by start, also by status: what comes next.
            models.Index(fields=["project", "status", "start_at", "id"], name="jobs_job_list_by_status_start"),
            models.Index(fields=["project", "start_at", "id"], name="jobs_job_list_by_start"),
            # The public list by a time, sorted by id: whether a block of ids has such jobs, and which.
            models.Index(
                "project", F("id").bitrightshift(BLOCK_BITS), "created_at", "id", name="jobs_job_blocks_of_created"
            ),
            models.Index(
                "project", F("id").bitrightshift(BLOCK_BITS), "start_at", "id", name="jobs_job_blocks_of_start"
            ),
            # The next due time of an idle worker; what is late.
            models.Index(fields=["due_at", "id"], condition=WAITING, name="jobs_job_waiting"),
            # Candidates of one project for a fair claim; the projects that wait.
            models.Index(fields=["project", "due_at", "id"], condition=WAITING, name="jobs_job_waiting_of_project"),
            # What dispatchers have handed over: how much that is, and what to hand over again. Empty without one.
            models.Index(
                fields=["reserved_until"],
                condition=Q(status=SCHEDULED, reserved_until__isnull=False),
                name="jobs_job_reserved",
            ),
            # The sweep and the beat: few rows, and the only index that a beat's column is in.
            models.Index(fields=["lease_expires_at"], condition=Q(status=RUNNING), name="jobs_job_leases"),
            # Staff: by status over all projects; one reference over all projects.
            models.Index(fields=["status", "id"], name="jobs_job_by_status"),
            models.Index(fields=["reference_id", "id"], name="jobs_job_by_reference"),
            # The failures of the last hour.
            models.Index(fields=["finished_at"], condition=Q(status=FAILED), name="jobs_job_failures"),
            # Ended jobs that may be old enough to be redacted, those that are have left it; what ended lately.
            models.Index(
                fields=["finished_at", "id"],
                condition=Q(finished_at__isnull=False) & ~Q(reference_id=""),
                name="jobs_job_to_redact",
            ),
        ]

    def __str__(self) -> str:
        return f"job {self.pk}"

    @property
    def is_held(self) -> bool:
        """Whether it waits until staff resume it."""
        return self.status == Status.SCHEDULED and self.held_at is not None
