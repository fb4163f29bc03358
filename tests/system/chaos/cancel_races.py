"""Races of a cancel with each other transition, at the same moment on two connections, thousands of times."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.db import connection

from jobs import cancel_job
from jobs.db.clock import NOW
from jobs.db.connection import outermost_transaction
from jobs.exceptions import Busy, TransitionRefused
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.concurrency import InThread
from tests.support.factories import fence_of, make_job, make_project, make_running_job
from tests.support.transitions import LEASE, TRANSITIONS
from tests.system.chaos.models import Effect

LATE_SECONDS: Final = 0.002
ROUND_SECONDS: Final = 60
FINAL: Final = ("completed", "failed", "cancelled")
ENDS: Final = ("complete", "fail", "give_up")
OTHERS: Final = ("claim", "begin", "release", "retry_later", "rescue", *ENDS)


def chunk(job: Job, fence: Fence) -> bool:
    """Do what a chunk does: prove the fence, have an effect, count it."""
    if not transitions.prove_fence(fence, lease=LEASE):
        return False
    Effect.objects.create(job_id=job.pk, item=job.pk, attempt=1, at=NOW)
    return transitions.record(fence, receipt={}, done=1, total=None, lease=LEASE)


OPPONENTS: Final[dict[str, Callable[[Job, Fence], bool]]] = {
    **{transition.name: transition.apply for transition in TRANSITIONS if transition.name in OTHERS},
    "chunk": chunk,
}


def run(_: Path, *, count: int, seed: int) -> dict[str, Any]:
    chosen = random.Random(seed)
    project = make_project()
    names = [chosen.choice(list(OPPONENTS)) for _ in range(count)]
    jobs = [
        (make_job if name == "claim" else make_running_job)(project=project, action="consume_plain") for name in names
    ]
    print(f"{connection.vendor}: {count} races", flush=True)
    start = threading.Barrier(2, timeout=ROUND_SECONDS)
    delays = [(chosen.uniform(0, LATE_SECONDS), chosen.uniform(0, LATE_SECONDS)) for _ in range(count)]

    def cancel_all() -> list[tuple[str, int]]:
        return [_cancel(job, start, delay[0]) for job, delay in zip(jobs, delays, strict=True)]

    def oppose_all() -> list[bool]:
        return [_oppose(*one, start, delay[1]) for *one, delay in zip(names, jobs, delays, strict=True)]

    cancels, opposed = InThread(cancel_all), InThread(oppose_all)
    patience = ROUND_SECONDS + count * 0.5
    answers = zip(names, jobs, cancels.result(patience=patience), opposed.result(patience=patience), strict=True)
    found = [text for answer in answers for text in _judge(*answer)]
    return {
        "races": count,
        "seed": seed,
        "counts": {"lies": len(found)},
        "first": found[:10],
        "statuses": dict(Counter(Job.objects.filter(project=project).values_list("status", flat=True))),
        "is_clean": not found,
    }


def _cancel(job: Job, start: threading.Barrier, delay: float) -> tuple[str, int]:
    """Cancel; return the answer, and how many effects there were when it came."""
    start.wait()
    time.sleep(delay)  # so that neither is always the first
    try:
        cancel_job(job.pk, project=job.project)
    except TransitionRefused as error:
        return error.status.value, 0
    except Busy:
        return "busy", 0
    return "won", Effect.objects.filter(job_id=job.pk).count()


def _oppose(name: str, job: Job, start: threading.Barrier, delay: float) -> bool:
    start.wait()
    time.sleep(delay)
    with outermost_transaction():
        return OPPONENTS[name](job, fence_of(job))


def _judge(name: str, job: Job, answer: tuple[str, int], opponent_won: bool) -> list[str]:
    """Exactly one of the two ends the job, the answer to the cancel is true, and no effect comes after a cancel."""
    told, effects = answer
    job.refresh_from_db()
    ends = JobEvent.objects.filter(job=job, to_status__in=FINAL).count()
    now = Effect.objects.filter(job_id=job.pk).count()
    is_end = name in ENDS
    problems = {
        f"{ends} ends": ends != (0 if told == "busy" and not (is_end and opponent_won) else 1),
        f"told {told}": (told == "won") != (job.status == Status.CANCELLED),
        "both won": told == "won" and is_end and opponent_won,
        "nobody won": told not in ("won", "busy") and not opponent_won,
        f"{now - effects} effects after the cancel": told == "won" and now != effects,
        "an effect that was not counted": name == "chunk" and (now == 1) != opponent_won,
        "still leased": job.lease_token is not None and told == "won",
    }
    return [f"cancel against {name}, job {job.pk}: {what}" for what, is_so in problems.items() if is_so]
