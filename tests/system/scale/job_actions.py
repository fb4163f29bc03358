"""The actions of the measures: one that does nothing, and the erase of a user from three tables."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from jobs import JobContext, JobFailed, action
from jobs.execution.chunks import Chunk
from tests.system.scale.models import Event, Session, Upload

CHUNKS = "SCALE_CHUNKS"
"""The variable that names the file into which the length of each chunk is written."""


@action("scale_nothing", description="Do nothing for {reference_id}", public=True)
def do_nothing(job: JobContext) -> None:
    """Do nothing."""


@action("scale_fail", description="Fail for {reference_id}")
def fail(job: JobContext) -> None:
    """Fail, without a further attempt."""
    raise JobFailed("It was to fail.")


@action("scale_erase", description="Erase all of {reference_id}", public=True, deadline=timedelta(hours=1))
def erase_user(job: JobContext) -> None:
    """Erase the user's rows from three tables, and write down how long each chunk took."""
    open_chunk = job.chunk

    @contextmanager
    def timed() -> Iterator[Chunk]:
        begun = time.monotonic()
        with open_chunk() as chunk:
            yield chunk
        with Path(os.environ[CHUNKS]).open("a") as file:
            file.write(f"{time.monotonic() - begun}\n")

    job.chunk = timed  # type: ignore[method-assign]
    sessions = Session.objects.filter(user_id=job.reference_id)
    job.erase("events", Event.objects.filter(session__in=sessions))
    job.erase("uploads", Upload.objects.filter(user_id=job.reference_id))
    job.erase("sessions", sessions)
