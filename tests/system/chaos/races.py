"""A cancel against everything that may happen to a job, at the same moment, on two connections, thousands of times."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django.db import connection

from jobs import cancel_job
from jobs.actors import SYSTEM
from jobs.db.clock import NOW
from jobs.db.connection import engine_transaction
from jobs.exceptions import Busy, TransitionRefused
from jobs.lifecycle import transitions
from jobs.lifecycle.transitions import Fence
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.concurrency import InThread
from tests.support.factories import WORKER, fence_of, make_job, make_project, make_running_job
from tests.system.chaos.models import Effect

LEASE: Final = timedelta(seconds=45)
LATE_SECONDS: Final = 0.002
ROUND_SECONDS: Final = 60
FINAL: Final = ("completed", "failed", "cancelled")


def claim(job: Job, _: Fence) -> bool:
    token = uuid4()
    got = transitions.claim([job.pk], lease_token=token, worker=WORKER, lease=LEASE, begun_ids=[job.pk])
    return bool(got)


def chunk(job: Job, by: Fence) -> bool:
    """Do what a chunk does: prove the fence, have an effect, count it."""
    if not transitions.prove_fence(by, lease=LEASE):
        return False
    Effect.objects.create(job_id=job.pk, item=job.pk, attempt=1, at=NOW)
    return transitions.record(by, receipt={}, done=1, total=None, lease=LEASE)


def rescue(job: Job, by: Fence) -> bool:
    return transitions.rescue(by, seen=seen(job), begun=True, note="The lease ran out.", actor=SYSTEM)


def give_up(job: Job, by: Fence) -> bool:
    return transitions.give_up(by, seen=seen(job), errors="Given up.", actor=SYSTEM)


def retry_later(_: Job, by: Fence) -> bool:
    return transitions.retry_later(by, wait=timedelta(hours=1), errors="Once more.", worker=WORKER).won


def seen(job: Job) -> Any:
    assert job.lease_expires_at is not None
    return job.lease_expires_at


OPPONENTS: Final[dict[str, Callable[[Job, Fence], bool]]] = {
    "claim": claim,
    "begin": lambda _, by: transitions.begin(by),
    "chunk": chunk,
    "complete": lambda _, by: transitions.complete(by, worker=WORKER).won,
    "fail": lambda _, by: transitions.fail(by, errors="Broken.", worker=WORKER).won,
    "retry_later": retry_later,
    "release": lambda _, by: transitions.release(by, worker=WORKER, note="The worker shut down.").won,
    "rescue": rescue,
    "give_up": give_up,
}
ENDS: Final = {"complete": "completed", "fail": "failed", "give_up": "failed"}


def run(*, count: int, seed: int) -> dict[str, Any]:
    """Race ``count`` times; return what was found."""
    chosen = random.Random(seed)
    project = make_project()
    names = [chosen.choice(list(OPPONENTS)) for _ in range(count)]
    jobs = [_prepared(name, project) for name in names]
    print(f"{connection.vendor}: {count} races", flush=True)
    start = threading.Barrier(2, timeout=ROUND_SECONDS)
    delays = [(chosen.uniform(0, LATE_SECONDS), chosen.uniform(0, LATE_SECONDS)) for _ in range(count)]

    def cancelling() -> list[tuple[str, int]]:
        return [_cancelled(job, start, delay[0]) for job, delay in zip(jobs, delays, strict=True)]

    def opposing() -> list[bool]:
        return [_opposed(*one, start, delay[1]) for *one, delay in zip(names, jobs, delays, strict=True)]

    cancels, opposed = InThread(cancelling), InThread(opposing)
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


def _prepared(name: str, project: Any) -> Job:
    if name == "claim":
        job = make_job(project=project, action="consume_plain")
    else:
        job = make_running_job(project=project, action="consume_plain", attempt=1)
    return job


def _cancelled(job: Job, start: threading.Barrier, delay: float) -> tuple[str, int]:
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


def _opposed(name: str, job: Job, start: threading.Barrier, delay: float) -> bool:
    start.wait()
    time.sleep(delay)
    with engine_transaction():
        return OPPONENTS[name](job, fence_of(job))


def _judge(name: str, job: Job, answer: tuple[str, int], opponent_won: bool) -> list[str]:
    """Exactly one ends it, what was answered is true, and nothing comes after a cancel."""
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
