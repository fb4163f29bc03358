"""Actions for tests of workers and engines: fast, slow, endless, crashing, hanging and failing ones."""

import os
import threading
import time
from datetime import timedelta
from typing import NoReturn

from jobs import JobContext, action
from tests.support.hostapp.models import Ledger, Visit

A_MOMENT = 0.01


@action("note", description="Note {reference_id}")
def note(job: JobContext) -> None:
    with job.chunk() as chunk:
        Ledger.objects.create(job_id=job.id)
        chunk.add("lines", 1)


@action("note_soon", description="Note {reference_id} before others", priority=60)
def note_soon(job: JobContext) -> None:
    note(job)


@action("note_late", description="Note {reference_id} after others", priority=-60)
def note_late(job: JobContext) -> None:
    note(job)


@action("note_elsewhere", description="Note {reference_id} on other machines", queue="elsewhere")
def note_elsewhere(job: JobContext) -> None:
    note(job)


@action("note_for_ever", description="Note {reference_id}, again and again")
def note_for_ever(job: JobContext) -> NoReturn:
    while True:
        note(job)
        time.sleep(A_MOMENT)


@action("erase_visits", description="Erase the visits of {reference_id}")
def erase_visits(job: JobContext) -> None:
    job.erase("visits", Visit.objects.filter(owner=job.reference_id))


@action("erase_visits_slowly", description="Erase the visits of {reference_id}, a few at a time")
def erase_visits_slowly(job: JobContext) -> None:
    """Erase a user's visits twenty at a time, with a row in the ledger for each."""
    visits = Visit.objects.filter(owner=job.reference_id)
    job.expect(visits.count())
    while keys := list(visits.values_list("pk", flat=True)[:20]):
        with job.chunk() as chunk:
            Ledger.objects.bulk_create([Ledger(job_id=job.id, what=str(key)) for key in keys])
            chunk.add("visits", visits.filter(pk__in=keys).delete()[0])
        time.sleep(A_MOMENT)
    job.verify("visits", visits)


@action("erase_for_ever", description="Erase visits that come again")
def erase_for_ever(job: JobContext) -> NoReturn:
    """Keep the database as busy as one job can: each chunk is as large as ``batch_size`` allows, without pauses."""
    while True:
        with job.chunk() as chunk:
            Visit.objects.bulk_create([Visit(owner=job.reference_id) for _ in range(job.batch_size)])
            chunk.add("visits", Visit.objects.filter(owner=job.reference_id).delete()[0])


@action("die", description="Take the worker with it")
def die(job: JobContext) -> NoReturn:
    """End the process, as a crash in a C library does."""
    os._exit(7)


@action(
    "hang",
    description="Never come back",
    deadline=timedelta(seconds=1),
    backoff=timedelta(milliseconds=1),
    max_attempts=2,
)
def hang(job: JobContext) -> None:
    """Never return; the attempt is given up after the deadline."""
    threading.Event().wait()


@action("hang_long", description="Never come back")
def hang_long(job: JobContext) -> None:
    """Never return, with a deadline beyond the end of any test."""
    threading.Event().wait()


@action("leak", description="Fail with personal data", max_attempts=1)
def leak(job: JobContext) -> NoReturn:
    """Raise an error with a user's e-mail address in its text, as a database does."""
    raise ValueError(f"Key (email)=({job.reference_id}) already exists.")
