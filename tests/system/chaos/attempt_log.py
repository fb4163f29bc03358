"""What actions write outside the database: each attempt that began, and what an action saw that it should not."""

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from jobs import JobContext
from tests.system.chaos.apps import CONTROL
from tests.system.chaos.call_log import CallLog

ATTEMPTS: Final = "attempts"


def note_attempt(job: JobContext) -> None:
    """Record that the action was entered."""
    _log(os.getpid()).write("attempt", job=job.id, attempt=job.attempt, pid=os.getpid())


def note_residue(job: JobContext, found: Any) -> None:
    """Record what another job had left behind."""
    _log(os.getpid()).write("residue", job=job.id, found=str(found))


def note_child(job: JobContext, pid: int) -> None:
    """Record a process that the action left running, for the run to end it."""
    _log(os.getpid()).write("child", job=job.id, pid=pid)


@cache
def _log(pid: int) -> CallLog:
    """Return the file of this process; a fork has one of its own."""
    return CallLog(Path(os.environ[CONTROL], ATTEMPTS, f"{pid}.jsonl"))
