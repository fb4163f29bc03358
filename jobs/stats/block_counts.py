"""The number of jobs in each block of ids: counted once a block is full, corrected when jobs are deleted.

Ids ascend and are never used twice, so a block below the newest ids only loses jobs. A
transaction that was given one of its ids may still be open, so a block is counted an hour
after the first job of a later one. All blocks are counted again in turn: that finds later
commits, and what a host has deleted by itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from django.db import DatabaseError
from django.db.models import Count, F, Max, Q
from django.db.models.functions import Now

from ..db.connection import jobs_connection, limited_transaction
from ..db.errors import is_lock_timeout
from ..models import BLOCK_BITS, Job, JobBlock

SETTLED_AFTER: Final = timedelta(hours=1)
# A block takes some milliseconds.
MOST_AT_ONCE: Final = 20


class BlockCounter:
    """Counts a few blocks at each call; remembers which one it has counted again last."""

    def __init__(self) -> None:
        self._again = -1

    def count(self) -> int:
        """Count up to ``MOST_AT_ONCE`` new blocks or, if there is none, an old one again; return how many were new.

        When the lock of the counts is not free in time, the next call does the rest.
        """
        new = 0
        try:
            while are_counted() and new < MOST_AT_ONCE and _count_next():
                new += 1
            if are_counted() and not new:
                self._again = _count_again(behind=self._again)
        except DatabaseError as error:
            if not is_lock_timeout(error):
                raise
        return new


def are_counted() -> bool:
    """Whether the database can run the queries of ``services.search.api_deep_pages``, which read the counts."""
    return jobs_connection().features.supports_slicing_ordering_in_compound


def forget(jobs: Iterable[tuple[Any, int]]) -> None:
    """Subtract jobs (primary key of the project, id) from the counts, in the transaction that deletes them."""
    if not are_counted():
        return
    gone = Counter((project, job_id >> BLOCK_BITS) for project, job_id in jobs)
    _lock_counts()
    for (project, block), number in gone.items():
        _counts().filter(project=project, block=block).update(jobs=F("jobs") - number)


def _count_next() -> bool:
    with _counting():
        counted: int | None = _counts().aggregate(highest=Max("block"))["highest"]
        first = _first_from(0 if counted is None else counted + 1)
        if first is None:
            return False
        block = first.pk >> BLOCK_BITS
        following = _first_from(block + 1, settled_at=Now() - SETTLED_AFTER)
        if following is None or not following.is_settled:
            return False
        _store(block)
        return True


def _count_again(*, behind: int) -> int:
    """Count the first block after ``behind`` again and return it; -1: there is none."""
    with _counting():
        blocks = _counts().order_by("block").values_list("block", flat=True)
        block: int | None = blocks.filter(block__gt=behind).first()
        if block is None:
            return -1
        _store(block)
        return block


def _store(block: int) -> None:
    _counts().filter(block=block).delete()
    first = block << BLOCK_BITS
    rows = Job.objects.filter(pk__gte=first, pk__lt=first + (1 << BLOCK_BITS)).order_by().values_list("project_id")
    JobBlock.objects.using(jobs_connection().alias).bulk_create(
        JobBlock(project_id=project, block=block, jobs=number) for project, number in rows.annotate(number=Count("pk"))
    )


def _first_from(block: int, *, settled_at: Any = None) -> Any:
    jobs = Job.objects.filter(pk__gte=block << BLOCK_BITS).only("pk").order_by("pk")
    return (jobs if settled_at is None else jobs.annotate(is_settled=Q(created_at__lt=settled_at))).first()


def _counts() -> Any:
    return JobBlock.objects.using(jobs_connection().alias)


@contextmanager
def _counting() -> Iterator[None]:
    with limited_transaction():
        _lock_counts()
        yield


def _lock_counts() -> None:
    """Keep others from changing the counts until the transaction ends; readers do not wait.

    A job that is being deleted is counted here and then subtracted, or it is gone before.
    """
    with jobs_connection().cursor() as cursor:
        cursor.execute(f"LOCK TABLE {JobBlock._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
