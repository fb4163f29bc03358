"""Actions for tests of workers and engines: fast, slow, endless, crashing, hanging and failing ones."""

import ctypes
import multiprocessing
import os
import threading
import time
from datetime import timedelta
from typing import NoReturn

from django.db import connection

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
    backoff=timedelta(seconds=3),
    max_attempts=2,
)
def hang(job: JobContext) -> None:
    """Never return; the attempt is given up after the deadline, and its worker has ended when the next one is due."""
    threading.Event().wait()


@action("hang_long", description="Never come back")
def hang_long(job: JobContext) -> None:
    """Never return, with a deadline beyond the end of any test."""
    threading.Event().wait()


@action("leak", description="Fail with personal data", max_attempts=1)
def leak(job: JobContext) -> NoReturn:
    """Raise an error with a user's e-mail address in its text, as a database does."""
    raise ValueError(f"Key (email)=({job.reference_id}) already exists.")


@action("hold_gil", description="Keep Python from running anything else", deadline=timedelta(seconds=1))
def hold_gil(job: JobContext) -> None:
    """Sleep in C without giving the GIL back, as a catastrophic regular expression does."""
    ctypes.PyDLL(None).sleep(600)


@action("end_child", description="Fork a child and end it")
def end_child(job: JobContext) -> None:
    """Note the exit status of a child that was sent SIGTERM, and what a query in another one returned."""
    children = multiprocessing.get_context("fork")
    sleeping, asking = children.Process(target=time.sleep, args=(60,)), children.Process(target=count_visits)
    sleeping.start()
    asking.start()
    sleeping.terminate()
    sleeping.join(5)
    asking.join(20)
    with job.chunk() as chunk:
        Ledger.objects.create(job_id=job.id, what=f"{sleeping.exitcode} {asking.exitcode}")
        chunk.add("lines", 1)
    sleeping.kill()


def count_visits() -> None:
    Visit.objects.count()


@action("leave_company", description="Leave a child and a thread behind")
def leave_company(job: JobContext) -> None:
    """Leave behind what Python waits for before it ends."""
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
    threading.Thread(target=time.sleep, args=(60,)).start()
    note(job)


@action("ask_long", description="Wait for the database", deadline=timedelta(seconds=1), max_attempts=1)
def ask_long(job: JobContext) -> None:
    """Wait for an answer for longer than the deadline (PostgreSQL)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")


@action("late", description="Be late", deadline=timedelta(seconds=1), max_attempts=1)
def late(job: JobContext) -> None:
    """Return a moment after the deadline, without a wait for the database."""
    time.sleep(1.7)
