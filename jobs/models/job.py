"""The model ``Job``: a job's status, times, lease and progress, its constraints, indexes and reading querysets."""

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
# An index by status over all projects has these only: most jobs are completed, and the few that run have their own.
HAVE_STATUS_INDEX: Final = [s.value for s in Status if s not in (Status.RUNNING, Status.COMPLETED)]
FINAL: Final = [s.value for s in Status if s.is_final]
# Held jobs are in no index of those that may be claimed: a claim does not read past a million of them.
WAITING: Final = Q(status=SCHEDULED, held_at__isnull=True)

BIGGEST_ID: Final = 2**63 - 1
BLOCK_BITS: Final = 14
"""A block has 16,384 ids: in a long list, skipping one and sorting the matches of one cost about the same."""
GROUP_BITS: Final = 12
"""A group has 4,096 ids: PostgreSQL stores equal keys once, and reads and sorts a group in two milliseconds."""


class JobQuerySet(models.QuerySet["Job"]):
    """For reading: every write of a status or lease is in ``lifecycle.transitions``."""

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
        """Jobs without a reservation, or whose reservation has run out: they may be dispatched."""
        return self.filter(Q(reserved_until=None) | Q(reserved_until__lte=self._instant(now)))

    def reserved(self, now: Moment = NOW) -> Self:
        """Jobs that were dispatched a short while ago and wait in the engine."""
        return self.filter(status=Status.SCHEDULED, reserved_until__gt=self._instant(now))

    def held(self) -> Self:
        """Jobs that staff hold until they resume them."""
        return self.filter(status=Status.SCHEDULED, held_at__isnull=False)

    def waiting(self) -> Self:
        """Jobs that wait and are not held; they are due now or later."""
        return self.filter(status=Status.SCHEDULED, held_at__isnull=True)

    def in_status_index(self) -> Self:
        """Jobs that the index by status over all projects has: neither running nor completed."""
        return self.filter(status__in=HAVE_STATUS_INDEX)

    def expired(self, now: Moment = NOW) -> Self:
        """Running jobs whose lease has expired at ``now``."""
        return self.filter(status=Status.RUNNING, lease_expires_at__lt=self._instant(now))

    def _instant(self, now: Moment) -> Any:
        return compared(now, connections[self.db])


_Manager = models.Manager.from_queryset(JobQuerySet)


class JobManager(_Manager["Job"]):
    """Reads from the database that jobs are written to: a lagging replica would contradict earlier answers."""

    def get_queryset(self) -> JobQuerySet:
        return JobQuerySet(self.model, using=self._db or router.db_for_write(self.model))


class Job(models.Model):
    """One request for long-running work, from creation to its end."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(conf.project_model_label(), on_delete=models.CASCADE, related_name="+", db_index=False)
    action = models.CharField(max_length=100)
    # Whom or what the action is about, exactly as sent; usually an e-mail address. 1 to 256 bytes of UTF-8;
    # empty once the job was redacted, and in no other case.
    reference_id = models.CharField(max_length=256)
    description = models.TextField()
    status = models.CharField(
        max_length=9, choices=[(s.value, s.value) for s in Status], default=Status.SCHEDULED.value
    )
    # Why it failed, in a text that integrators may see; null otherwise.
    errors = models.TextField(null=True)  # noqa: DJ001 – null is what the public contract answers
    # The creator's parameters, checked by the action's serializer; null: none.
    parameters = models.JSONField(null=True)
    # reference_id for a unique action, else null.
    unique_key = models.CharField(max_length=256, null=True)  # noqa: DJ001 – nulls do not collide
    # The failed job that this one retries; no other one does.
    retry_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="retries", db_index=False)

    # The idempotent request that created it, else null: a digest of its sender and Idempotency-Key, a digest of its
    # body, and the job's place in it. Kept until the job is redacted; see ``services.commands.idempotency``.
    call_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001 – nulls do not collide
    call_body = models.CharField(max_length=64, null=True)  # noqa: DJ001 – null exactly when call_digest is
    call_index = models.SmallIntegerField(null=True)

    created_at = models.DateTimeField()
    # The last change of status or by staff; null until the first. Heartbeats and progress do not change it.
    updated_at = models.DateTimeField(null=True)
    # The start that the creator asked for; never changes.
    start_at = models.DateTimeField()
    # When it may be claimed next, unless it is held; backoff and staff change it.
    due_at = models.DateTimeField()
    # Since when staff hold it: it is not claimed until they resume it. Null unless scheduled.
    held_at = models.DateTimeField(null=True)
    # The first claim ever.
    started_at = models.DateTimeField(null=True)
    # When this attempt's action was entered; null while it waits in a worker's buffer. Only after it, a crash counts.
    begun_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    # The number of the latest claim; only grows.
    attempt = models.PositiveIntegerField(default=0)
    # Attempts whose worker died, and attempts whose action raised; the limits are on these two.
    crashes = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    # Begun attempts that ended by a conflict or a lost connection although the database answers: in all, and since
    # the last committed chunk. The tenth of these counts as a failure.
    interruptions = models.PositiveIntegerField(default=0, db_default=0)
    interruptions_in_a_row = models.PositiveIntegerField(default=0, db_default=0)

    # The lease, set exactly while running: its token, and from when on the job may be rescued.
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    # The worker that runs it or ran it to its end; null while scheduled.
    worker = models.CharField(max_length=200, null=True)  # noqa: DJ001 – null is "none", like the lease

    # Until when a dispatcher leaves it to the engine; null: it was not dispatched since it was last scheduled.
    reserved_until = models.DateTimeField(null=True)

    progress_done = models.PositiveBigIntegerField(default=0)
    # Null until the action says how much there is to do.
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
            # Also finds what a repeated request has created.
            models.UniqueConstraint(
                fields=["project", "call_digest", "call_index"],
                condition=Q(call_digest__isnull=False),
                name="jobs_job_one_of_call",
            ),
            # A failed job is retried once; its retry may be retried then. Also finds that retry.
            models.UniqueConstraint(
                fields=["retry_of"], condition=Q(retry_of__isnull=False), name="jobs_job_one_retry"
            ),
        ]
        # Each names the queries that would be slow without it; a test removes it and compares their plans. An insert
        # pays for each index whose condition a new job meets, and so does a change of status. None has a column that
        # heartbeats and progress write, so that these rewrite only the row (HOT); a fill factor of 90 adds little.
        indexes: ClassVar = [
            # The API's list of a project, and the same in the admin; pages far down; the foreign key.
            models.Index(fields=["project", "id"], name="jobs_job_list"),
            # The API's list by status, newest or oldest first; the admin's by project and status; counts of a project.
            models.Index(fields=["project", "status", "id"], name="jobs_job_list_by_status"),
            # The API's list sorted by start: of some statuses, or of all, one after the other.
            models.Index(fields=["project", "status", "start_at", "id"], name="jobs_job_list_by_status_start"),
            # The API's list by action: group after group of ids, each of which is sorted.
            models.Index("project", "action", F("id").bitrightshift(GROUP_BITS), name="jobs_job_groups_of_action"),
            # The API's list by reference, and the admin's; the admin's search for a reference over all projects.
            models.Index(fields=["reference_id", "project", "id"], name="jobs_job_of_reference"),
            # The API's list by a time, sorted by id: finds the jobs of a block of ids.
            models.Index("project", F("id").bitrightshift(BLOCK_BITS), "created_at", name="jobs_job_blocks_by_created"),
            models.Index("project", F("id").bitrightshift(BLOCK_BITS), "start_at", name="jobs_job_blocks_by_start"),
            # Claims: the jobs that are due; the next due time, for idle workers. The admin's overdue jobs.
            models.Index(fields=["due_at", "id"], condition=WAITING, name="jobs_job_waiting"),
            # Claims: the first due jobs of each project, where many are due. The overdue jobs of a project.
            models.Index(fields=["project", "due_at", "id"], condition=WAITING, name="jobs_job_waiting_of_project"),
            # Dispatchers: how many jobs wait in the engine, and which to dispatch again. Empty without a dispatcher.
            models.Index(
                fields=["reserved_until"],
                condition=Q(status=SCHEDULED, reserved_until__isnull=False),
                name="jobs_job_reserved",
            ),
            # Claims: how many jobs of each organization run. The rescuer and health: running jobs with their leases.
            models.Index(fields=["project", "id"], condition=Q(status=RUNNING), name="jobs_job_running"),
            # The admin's list, bulk changes and overview by status over all projects.
            models.Index(fields=["status", "id"], condition=Q(status__in=HAVE_STATUS_INDEX), name="jobs_job_status"),
            # Health and overview: the failures of the last hour; the latest ones.
            models.Index(fields=["finished_at"], condition=Q(status=FAILED), name="jobs_job_failures"),
            # Health: the waiting or running job that was interrupted most often.
            models.Index(
                fields=["interruptions"],
                condition=Q(status__in=WAITS_OR_RUNS, interruptions__gt=0),
                name="jobs_job_interrupted",
            ),
            # Redaction: ended jobs that are not yet redacted, by their end. Statistics: what ended lately.
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
        """Whether staff hold it until they resume it."""
        return self.status == Status.SCHEDULED and self.held_at is not None
