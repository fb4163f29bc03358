"""Actions whose every effect stands in a ledger."""

import time
from datetime import timedelta
from typing import Final

from jobs import JobContext, action, failpoints
from jobs.db.clock import NOW
from tests.system.chaos.models import Effect, Item

BATCH: Final = 4
WORK_SECONDS: Final = 0.05  # what an item's file or search index would take: time in which no transaction is open
# So many, as a run kills far more workers than a job should survive.
PATIENT: Final = {"max_attempts": 1000, "backoff": timedelta(milliseconds=20)}


def consume(job: JobContext) -> None:
    """Remove the items of ``reference_id``, batch by batch, and write each into the ledger."""
    items = Item.objects.filter(owner=job.reference_id)
    job.expect(items.count())
    while keys := list(items.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        failpoints.reach("action.keys_read")
        with job.chunk() as chunk:
            lines = [Effect(job_id=job.id, item=key, attempt=job.attempt, at=NOW) for key in keys]
            Effect.objects.bulk_create(lines)
            items.filter(pk__in=keys).delete()
            chunk.add("items", len(keys))
        time.sleep(WORK_SECONDS)


@action("consume_verified", description="Consume {reference_id}", public=True, **PATIENT)
def consume_verified(job: JobContext) -> None:
    """Consume, and take a last look."""
    consume(job)
    job.verify("items", Item.objects.filter(owner=job.reference_id))


@action("consume_plain", description="Consume {reference_id}", public=True, **PATIENT)
def consume_plain(job: JobContext) -> None:
    """Consume; the finish is then a single statement."""
    consume(job)


@action("consume_once", description="Consume {reference_id}", public=True, unique=True, **PATIENT)
def consume_once(job: JobContext) -> None:
    """Consume, in one job at a time for a reference."""
    consume(job)


@action("erase_items", description="Erase {reference_id}", public=True, **PATIENT)
def erase_items(job: JobContext) -> None:
    """Erase as most hosts will; what is left of the items says what it did."""
    job.erase("items", Item.objects.filter(owner=job.reference_id))
