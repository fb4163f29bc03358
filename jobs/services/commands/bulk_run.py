"""How the job ``change_jobs`` goes through the jobs that match: by ascending id, in chunks, nothing twice."""

import time
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
from ..search.staff_search import IndexScan, choose_scan, narrow_by_id
from .bulk_change import ACTION, BulkChange, Change, preview_change, targets
from .retry import retry_many

# So many entries of an index are looked at in one query.
STEP: Final = 20_000
BUSY_PASSES: Final = 5
BUSY_PAUSE_SECONDS: Final = 0.2
CONFLICTS_IN_A_ROW: Final = 8
DONE: Final = {Change.CANCEL: "cancelled", Change.RETRY: "retried", Change.RUN: "made due"}
BUSY: Final = "skipped: busy"


def change_jobs(job: JobContext) -> None:
    """Carry out the order in the job's parameters; the receipt tells what was done, and why the rest was not."""
    order = BulkChange.from_parameters(job.parameters)
    preview = preview_change(order.change, order.wanted)
    if not preview.at_least:
        job.expect(preview.count)
    for wanted in targets(order.change, order.wanted):
        _Run(job, order, wanted).run()


class _Run:
    """The way through the jobs of one status."""

    def __init__(self, job: JobContext, order: BulkChange, wanted: JobFilter) -> None:
        self.job, self.order, self.wanted = job, order, wanted
        # By status, the last id that was dealt with, as it was stored when this way began.
        self.positions: dict[str, int] = {}
        self.busy: list[int] = []

    def run(self) -> None:
        """Go through all, then through those that others had locked."""
        walk = choose_scan(_by_id(self.wanted))
        if walk is not None:
            for ids, end in self._parts(walk):
                self._change_all(ids)
                self._note(end)
            self._try_busy_again()

    def _parts(self, walk: IndexScan) -> Iterator[tuple[list[int], int]]:
        """Give the ids that match, part by part, each with the last id that was looked at."""
        self.positions = Job.objects.values_list("bulk_positions", flat=True).get(pk=self.job.id) or {}
        last = self.positions.get(str(self.wanted.status), 0)
        walk = replace(walk, base=walk.base.filter(pk__lte=self.order.highest_id))
        residual = walk.residual(self.wanted)
        while True:
            with index_scans_only():
                rest = narrow_by_id(walk, ">", last)
                looked_at = list(rest.ordered(reverse=True).values_list("pk", flat=True)[:STEP])
                if not looked_at:
                    return
                last = looked_at[-1]
                if residual:
                    rows = narrow_by_id(rest, "<=", last).rows.filter(residual)
                    looked_at = sorted(rows.values_list("pk", flat=True))
            yield looked_at, last

    def _change_all(self, ids: Sequence[int]) -> None:
        while ids:
            size = self.job.batch_size
            self._change(ids[:size])
            ids = ids[size:]

    def _change(self, ids: Sequence[int], *, is_last_try: bool = False) -> None:
        """Change some jobs in one chunk; what another transaction spoils is tried again."""
        for attempt in range(CONFLICTS_IN_A_ROW):
            try:
                with self.job.chunk() as chunk:
                    counts, busy = self._changed(ids)
                    if is_last_try and busy:
                        counts[BUSY] = len(busy)
                    for store, count in counts.items():
                        chunk.add(store, count)
                    if not self.busy and not busy and ids and not is_last_try:
                        self._save_position(ids[-1])
            except Error as error:
                if kind_of(error) not in (ErrorKind.CONFLICT, ErrorKind.TOO_SLOW) or attempt == CONFLICTS_IN_A_ROW - 1:
                    raise
                time.sleep(backoff(attempt, first=0.05))
            else:
                self.busy += busy
                return

    def _changed(self, ids: Sequence[int]) -> tuple[dict[str, int], list[int]]:
        """Change those that still match; return how many came to what, and those that others have locked."""
        matching = self._matching(ids)
        mine = dict(skip_locked(matching).values_list("pk", "action"))
        # What others have ordered is not for an order to touch: who wants to stop it does so by hand.
        orders = {job_id for job_id, action in mine.items() if action == ACTION}
        done, refused = self._apply(sorted(mine.keys() - orders))
        why = {job_id: refusal.value for job_id, refusal in refused.items()}
        why |= dict.fromkeys(orders, RefusalReason.BULK_CHANGE.value)
        left = set(ids) - set(done) - why.keys()
        still = set(matching.filter(pk__in=left).values_list("pk", flat=True)) if left - mine.keys() else set()
        rows = Job.objects.in_bulk(left)
        busy = sorted(still - mine.keys())
        why |= {job_id: self._why_not(rows.get(job_id)) for job_id in left - set(busy)}
        counts = {DONE[self.order.change]: len(done)} if done else {}
        for cause in why.values():
            store = f"skipped: {cause}"
            counts[store] = counts.get(store, 0) + 1
        return counts, busy

    def _matching(self, ids: Sequence[int]) -> JobQuerySet:
        """Those that match still: one that has begun or ended since it was found may not."""
        return Job.objects.filter(self.wanted.conditions(*self.wanted.given), pk__in=ids)

    def _apply(self, ids: list[int]) -> tuple[list[int], dict[int, RefusalReason]]:
        who: dict[str, Any] = {"actor": self.order.actor, "reason": self.order.reason}
        if self.order.change is Change.RETRY:
            return retry_many(ids, **who)
        if self.order.change is Change.CANCEL:
            return transitions.cancel_many(ids, **who), {}
        done = transitions.advance_many(ids, **who)
        if done:
            notify_due()
        return done, {}

    def _why_not(self, job: Job | None) -> str:
        """Return why a job that nobody had locked was not changed."""
        if job is None:
            return "gone"
        if job.status == Status.SCHEDULED and job.is_held:
            return RefusalReason.HELD.value
        waits = job.status == Status.SCHEDULED and self.order.change is Change.RUN
        return RefusalReason.DUE_ALREADY.value if waits else str(job.status)

    def _note(self, end: int) -> None:
        """Note that all up to ``end`` is dealt with; not while some before it are busy, who would be forgotten."""
        if not self.busy:
            with self.job.chunk():
                self._save_position(end)

    def _save_position(self, last: int) -> None:
        """Store in the chunk up to which id jobs of this status are dealt with: the next attempt goes on behind it."""
        positions = {**self.positions, str(self.wanted.status): last}
        Job.objects.filter(pk=self.job.id).update(bulk_positions=positions)

    def _try_busy_again(self) -> None:
        for number in range(BUSY_PASSES):
            if not self.busy:
                return
            time.sleep(BUSY_PAUSE_SECONDS * 2**number)
            ids, self.busy = self.busy, []
            for start in range(0, len(ids), self.job.batch_size):
                self._change(ids[start : start + self.job.batch_size], is_last_try=number == BUSY_PASSES - 1)


def _by_id(wanted: JobFilter) -> JobFilter:
    """Return the filter without what would have its jobs walked in another order than by id."""
    return replace(wanted, due_until=None)
