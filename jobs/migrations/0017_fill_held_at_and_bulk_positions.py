"""Copy holds from ``due_at``, and the positions of bulk changes from their receipts, into the columns for them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import migrations, models
from django.db.models import F
from django.db.models.functions import Coalesce

# When held jobs were due.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
BULK_CHANGE = "change_jobs"
# The entries of a receipt that were positions, by the status of the jobs.
POSITIONS = {status: f"last {status} job looked at" for status in ("scheduled", "running", "failed")}
BATCH = 5_000


def fill(apps: Any, schema_editor: Any) -> None:
    """Set the columns; a run that was cut short can be repeated."""
    held_at = models.Case(models.When(status="scheduled", then=Coalesce("updated_at", "created_at")))
    for jobs in batches(apps, schema_editor):
        jobs.filter(due_at=NEVER).update(held_at=held_at, due_at=F("start_at"))
        for job in jobs.filter(action=BULK_CHANGE).only("receipt"):
            stores = job.receipt.get("stores", {})
            found = {status: stores.pop(name)["found"] for status, name in POSITIONS.items() if name in stores}
            if found:
                jobs.filter(pk=job.pk).update(bulk_positions=found, receipt=job.receipt)


def empty(apps: Any, schema_editor: Any) -> None:
    """Put both back where they were."""
    for jobs in batches(apps, schema_editor):
        jobs.filter(held_at__isnull=False).update(held_at=None, due_at=NEVER)
        for job in jobs.filter(bulk_positions__isnull=False).only("receipt", "bulk_positions"):
            stores = job.receipt.setdefault("stores", {})
            for status, last in job.bulk_positions.items():
                stores[POSITIONS[status]] = {"found": last, "done": 0, "left": last}
            jobs.filter(pk=job.pk).update(bulk_positions=None, receipt=job.receipt)


def batches(apps: Any, schema_editor: Any) -> Iterator[Any]:
    """Give all jobs by ascending id, ``BATCH`` at a time; no index leads to those that are to be changed."""
    jobs = apps.get_model("jobs", "Job").objects.using(schema_editor.connection.alias).order_by("pk")
    last = 0
    while ids := list(jobs.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        yield jobs.filter(pk__gt=last, pk__lte=ids[-1])
        last = ids[-1]


class Migration(migrations.Migration):
    atomic = False  # each statement commits by itself, so that no lock is kept for the whole table
    dependencies = [("jobs", "0016_waiting_indexes")]

    operations = [migrations.RunPython(fill, empty)]
