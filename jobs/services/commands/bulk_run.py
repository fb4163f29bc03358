"""Runs a bulk change, as the job ``change_jobs``: all matching jobs by ascending id, in chunks, none twice."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from django.db import Error

from ...db.backoff import backoff
from ...db.errors import ErrorKind, kind_of
from ...db.notify import notify_due
from ...execution.context import JobContext
from ...lifecycle import transitions
from ...models import Job, JobQuerySet
from ...models.locks import skip_locked
from ...status import RefusalReason, Status
from ..search.planner import index_scans_only
from ..search.staff_filter import JobFilter
from ..search.staff_search import IndexScan, choose_scan
from .bulk_change import ACTION, BulkChange, Change, filters_by_status, preview_change
from .retry import retry_many

# How many entries of an index one query reads.
SCAN_SIZE: Final = 20_000
BUSY_PASSES: Final = 5
BUSY_PAUSE_SECONDS: Final = 0.2
MAX_CONFLICTS: Final = 8
# Counts of the receipt; "skipped: …" is followed by a status, a RefusalReason, or one of "busy" and "gone".
DONE: Final = {Change.CANCEL: "cancelled", Change.RETRY: "retried", Change.RUN: "made due"}
SKIPPED: Final = "skipped: {}"


def change_jobs(job: JobContext) -> None:
    """Run the bulk change in the job's parameters; the receipt counts what was done, and why jobs were skipped."""
    bulk_change = BulkChange.from_parameters(job.parameters)
    preview = preview_change(bulk_change.change, bulk_change.wanted)
    if not preview.at_least:
        job.expect(preview.count)
    for wanted in filters_by_status(bulk_change.change, bulk_change.wanted):
        _Run(job, bulk_change, wanted).run()


class _Run:
    """The change of the jobs of one status."""

    def __init__(self, job: JobContext, bulk_change: BulkChange, wanted: JobFilter) -> None:
        self._job, self._bulk_change, self._wanted = job, bulk_change, wanted
        # By status, the last id that was dealt with, as stored when this run began.
        self._positions: dict[str, int] = {}
        # Jobs that other transactions had locked.
        self._busy: list[int] = []

    def run(self) -> None:
        """Change all matching jobs, then those that were locked at first."""
        scan = choose_scan(replace(self._wanted, due_until=None))  # it would order the scan by time
        if scan is None:
            return
        for ids, end in self._parts(scan):
            self._change_in_chunks(ids)
            if not self._busy:
                with self._job.chunk():
                    self._save_position(end)
        for pass_number in range(BUSY_PASSES):
            if not self._busy:
                return
            time.sleep(BUSY_PAUSE_SECONDS * 2**pass_number)
            ids, self._busy = self._busy, []
            self._change_in_chunks(ids, is_last_try=pass_number == BUSY_PASSES - 1)

    def _parts(self, scan: IndexScan) -> Iterator[tuple[list[int], int]]:
        """Yield the ids that match, part by part, each with the last id that was scanned."""
        self._positions = Job.objects.values_list("bulk_positions", flat=True).get(pk=self._job.id) or {}
        last = self._positions.get(str(self._wanted.status), 0)
        scan = replace(scan, rows=scan.rows.filter(pk__lte=self._bulk_change.highest_id))
        residual = scan.residual(self._wanted)
        while True:
            with index_scans_only():
                rest = scan.beyond(">", last)
                ids = list(rest.ordered(reverse=True).values_list("pk", flat=True)[:SCAN_SIZE])
                if not ids:
                    return
                last = ids[-1]
                if residual:
                    rows = rest.beyond("<=", last).rows.filter(residual)
                    ids = sorted(rows.values_list("pk", flat=True))
            yield ids, last

    def _change_in_chunks(self, ids: Sequence[int], *, is_last_try: bool = False) -> None:
        while ids:
            size = self._job.batch_size
            self._change_chunk(ids[:size], is_last_try)
            ids = ids[size:]

    def _change_chunk(self, ids: Sequence[int], is_last_try: bool) -> None:
        """Change some jobs in one chunk; a conflict with another transaction is tried again."""
        for failures in range(MAX_CONFLICTS):
            try:
                with self._job.chunk() as chunk:
                    counts, busy = self._change(ids)
                    if is_last_try and busy:
                        counts[SKIPPED.format("busy")] = len(busy)
                    for store, count in counts.items():
                        chunk.add(store, count)
                    if not (is_last_try or self._busy or busy):
                        self._save_position(ids[-1])
            except Error as error:
                if kind_of(error) not in (ErrorKind.CONFLICT, ErrorKind.TOO_SLOW) or failures == MAX_CONFLICTS - 1:
                    raise
                time.sleep(backoff(failures, first=0.05))
            else:
                self._busy += busy
                return

    def _change(self, ids: Sequence[int]) -> tuple[Counter[str], list[int]]:
        """Change those that still match; return the counts for the receipt, and the ids that others have locked."""
        matching = self._matching(ids)
        locked = dict(skip_locked(matching).values_list("pk", "action"))
        # Bulk changes of other staff are left alone: each is cancelled by hand.
        bulk_changes = {job_id for job_id, action in locked.items() if action == ACTION}
        done, refused = self._apply(sorted(locked.keys() - bulk_changes))
        skipped = {job_id: reason.value for job_id, reason in refused.items()}
        skipped |= dict.fromkeys(bulk_changes, RefusalReason.BULK_CHANGE.value)
        left = set(ids) - set(done) - skipped.keys()
        still = set(matching.filter(pk__in=left).values_list("pk", flat=True)) if left - locked.keys() else set()
        rows = Job.objects.in_bulk(left)
        busy = sorted(still - locked.keys())
        skipped |= {job_id: self._why_not(rows.get(job_id)) for job_id in left - set(busy)}
        counts = Counter(map(SKIPPED.format, skipped.values()))
        if done:
            counts[DONE[self._bulk_change.change]] = len(done)
        return counts, busy

    def _matching(self, ids: Sequence[int]) -> JobQuerySet:
        """Return the jobs that match still; some may have begun or ended since they were found."""
        return Job.objects.filter(self._wanted.conditions(*self._wanted.given), pk__in=ids)

    def _apply(self, ids: list[int]) -> tuple[list[int], dict[int, RefusalReason]]:
        who: dict[str, Any] = {"actor": self._bulk_change.actor, "reason": self._bulk_change.reason}
        if self._bulk_change.change is Change.RETRY:
            return retry_many(ids, **who)
        if self._bulk_change.change is Change.CANCEL:
            return transitions.cancel_many(ids, **who), {}
        done = transitions.advance_many(ids, **who)
        if done:
            notify_due()
        return done, {}

    def _why_not(self, job: Job | None) -> str:
        """Return why a job that was not locked was not changed."""
        if job is None:
            return "gone"
        if job.status == Status.SCHEDULED and job.is_held:
            return RefusalReason.HELD.value
        is_due = job.status == Status.SCHEDULED and self._bulk_change.change is Change.RUN
        return RefusalReason.DUE_ALREADY.value if is_due else str(job.status)

    def _save_position(self, last: int) -> None:
        """Store in the chunk up to which id jobs of this status are dealt with: the next attempt continues there.

        Not to be called while jobs before it are busy, which would be forgotten.
        """
        positions = {**self._positions, str(self._wanted.status): last}
        Job.objects.filter(pk=self._job.id).update(bulk_positions=positions)
