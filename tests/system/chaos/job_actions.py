"""Actions that write each of their effects into a ledger."""

import os
import time
from datetime import timedelta
from typing import Any, Final

from jobs import JobContext, action
from jobs.db import failpoints
from jobs.db.clock import NOW
from tests.system.chaos import faulty_actions  # noqa: F401 – it registers its actions
from tests.system.chaos.attempt_log import note_attempt
from tests.system.chaos.models import Effect, Item, Note

BATCH: Final = 4
WORK_SECONDS: Final = 0.05  # in which no transaction is open, as while a file is removed
# A run kills far more workers than a job should survive.
PATIENT: Final[dict[str, Any]] = {
    "max_attempts": 1000,
    "backoff": timedelta(milliseconds=20),
    "deadline": timedelta(seconds=float(os.environ.get("CHAOS_DEADLINE_SECONDS", "600"))),
}


def consume(job: JobContext) -> None:
    """Remove the items of ``reference_id``, batch by batch, and write each into the ledger."""
    note_attempt(job)
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
    consume(job)
    job.verify("items", Item.objects.filter(owner=job.reference_id))


@action("consume_plain", description="Consume {reference_id}", public=True, **PATIENT)
def consume_plain(job: JobContext) -> None:
    """Consume, without a verification: the finish is a single statement."""
    consume(job)


@action("consume_once", description="Consume {reference_id}", public=True, unique=True, **PATIENT)
def consume_once(job: JobContext) -> None:
    """Consume, in one job at a time per reference."""
    consume(job)


@action("consume_at_midnight", description="Consume {reference_id}", public=True, start="next_midnight", **PATIENT)
def consume_at_midnight(job: JobContext) -> None:
    """Consume, from the next midnight on."""
    consume(job)


@action("erase_notes", description="Erase {reference_id}", **PATIENT)
def erase_notes(job: JobContext) -> None:
    """Erase rows of a model whose own ``delete()`` keeps them."""
    note_attempt(job)
    job.erase("notes", Note.objects.filter(owner=job.reference_id))


@action("erase_items", description="Erase {reference_id}", public=True, **PATIENT)
def erase_items(job: JobContext) -> None:
    """Erase as most hosts do, without the ledger: the checker counts the items that are left."""
    note_attempt(job)
    job.erase("items", Item.objects.filter(owner=job.reference_id))
