"""Imports jobs from the tables of the reference service, with their ids, which integrators know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import IntegrityError, models

from ...actors import SYSTEM
from ...db.connection import jobs_connection, service_transaction, supports_row_locks
from ...db.errors import is_unique_violation
from ...db.notify import notify_due
from ...exceptions import InvalidField
from ...lifecycle import transitions
from ...models import BIGGEST_ID, Job
from .source import Row, Source, job_of

DEFAULT_BATCH_SIZE: Final = 500
BIGGEST_BATCH_SIZE: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class SkippedRow:
    """The id of a row that was not imported, and why; without values that could be about people."""

    job_id: Any
    reason: str


@dataclass(kw_only=True)
class ImportResult:
    """What a run did: rows ``read``, of them ``imported`` now, ``present`` since an earlier run, and ``skipped``."""

    read: int = 0
    imported: int = 0
    present: int = 0
    skipped: list[SkippedRow] = field(default_factory=list)


def import_jobs(source: Source, *, batch_size: int = DEFAULT_BATCH_SIZE, dry_run: bool = False) -> ImportResult:
    """Copy all jobs of ``source`` that are not here yet, each with its id, in transactions of ``batch_size``.

    It can be cut short and repeated. From its start on, new jobs get ids above all ids of ``source``. Scheduled
    jobs stay scheduled, and are run here when they are due: stop the other service's executor
    before. ``dry_run`` reads and checks, but changes nothing.

    Raises:
        InvalidField: ``batch_size`` is not 1 to 5,000.
        Error: a table cannot be read.
    """
    if not 1 <= batch_size <= BIGGEST_BATCH_SIZE:
        raise InvalidField("batch_size", f"must be 1 to {BIGGEST_BATCH_SIZE:,}")
    run = _Importer(source)
    if not dry_run:
        _reserve_ids(min(source.highest_id(), BIGGEST_ID - 1))
    for rows in source.batches(batch_size):
        wanted = run.select(rows)
        run.done.imported += len(wanted) if dry_run else run.insert(wanted)
    return run.done


class _Importer:
    """One run: its result, the projects it has found, and the active jobs that it has imported."""

    def __init__(self, source: Source) -> None:
        self.done = ImportResult()
        self._source = source
        self._projects: dict[Any, models.Model | None] = {}
        self._active: dict[tuple[Any, ...], Any] = {}

    def select(self, rows: Sequence[Row]) -> list[Job]:
        """Return the jobs to insert; count the other rows."""
        self.done.read += len(rows)
        here = Job.objects.in_bulk([row["job_id"] for row in rows if _is_id(row["job_id"])])
        jobs = []
        for row in rows:
            try:
                job = job_of(row, project=self._project_of(row))
            except InvalidField as error:
                self._skip(row["job_id"], str(error))
                continue
            existing = here.get(job.pk)
            if existing is None:
                jobs.append(job)
            elif _is_same(existing, job):
                self.done.present += 1
            else:
                self._skip(job.pk, "job_id: is another job's here")
        return self._without_duplicates(jobs)

    def insert(self, jobs: Sequence[Job]) -> int:
        """Insert jobs together, or one by one if one of them exists by now; return how many."""
        if _insert(jobs):
            return len(jobs)
        refused = [job for job in jobs if not _insert([job])]
        for job in refused:
            self._skip(job.pk, "job_id: it, or an active job for the same reference, came to be here meanwhile")
        return len(jobs) - len(refused)

    def _project_of(self, row: Row) -> models.Model:
        theirs = row["project_id"]
        if theirs not in self._projects:
            self._projects[theirs] = self._source.find_project(theirs)
        found = self._projects[theirs]
        if found is None:
            raise InvalidField("project_id", f"{theirs} is none of the projects here")
        return found

    def _without_duplicates(self, jobs: Sequence[Job]) -> list[Job]:
        """Skip jobs of a unique action that has an active job for the reference; the other service may have several."""
        unique = [job for job in jobs if job.status == "scheduled" and job.unique_key is not None]
        # All three columns, for the index of active jobs.
        existing = Job.objects.active().filter(
            project__in={job.project_id for job in unique},
            action__in={job.action for job in unique},
            unique_key__in={job.unique_key for job in unique},
        )
        active = {_subject_of(job): job.pk for job in existing} if unique else {}
        kept = []
        for job in jobs:
            if job in unique:
                first = active.get(_subject_of(job)) or self._active.setdefault(_subject_of(job), job.pk)
                if first != job.pk:
                    self._skip(job.pk, f"reference_id: job {first} waits or runs for the same")
                    continue
            kept.append(job)
        return kept

    def _skip(self, job_id: Any, reason: str) -> None:
        self.done.skipped.append(SkippedRow(job_id=job_id, reason=reason))


def _insert(jobs: Sequence[Job]) -> bool:
    """Insert all of the jobs; False: one of them exists by now, and none was inserted."""
    if not jobs:
        return True
    try:
        with service_transaction():
            transitions.import_many(jobs, actor=SYSTEM)
            notify_due()
    except IntegrityError as error:
        if not is_unique_violation(error):
            raise
        return False
    return True


def _subject_of(job: Job) -> tuple[Any, ...]:
    return job.project_id, job.action, job.unique_key


def _is_id(value: object) -> bool:
    return isinstance(value, int) and 0 < value <= BIGGEST_ID


def _is_same(here: Job, theirs: Job) -> bool:
    """Whether a job is here from an earlier run, whatever has happened to it since; it may be redacted."""
    return (here.project_id, here.action, here.created_at) == (
        theirs.project_id,
        theirs.action,
        theirs.created_at,
    ) and here.reference_id in ("", theirs.reference_id)


def _reserve_ids(highest: int) -> None:
    """Make new jobs get ids above ``highest``, so that none takes the id of a job that is not imported yet."""
    connection, table = jobs_connection(), Job._meta.db_table
    with service_transaction(), connection.cursor() as cursor:
        if supports_row_locks(connection):
            cursor.execute(
                "SELECT setval(ids, %s) FROM (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS ids) AS found"
                " WHERE COALESCE(pg_sequence_last_value(ids), 0) < %s AND %s > 0",
                [highest, table, highest, highest],
            )
            return
        cursor.execute("UPDATE sqlite_sequence SET seq = max(seq, %s) WHERE name = %s", [highest, table])
        if not cursor.rowcount:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, highest])
