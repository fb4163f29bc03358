"""The runs: random kills under load, faults at named places, freezes past the lease."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.db import connection

from jobs.models import Job
from tests.support.factories import make_project
from tests.system.chaos.arena import TICK_SECONDS, Arena, Stalled, Worker, now, until
from tests.system.chaos.checker import Verdict, check, percentiles
from tests.system.chaos.faults import PLACES

WORKERS: Final = 4
CLIENTS: Final = 2
TARGET: Final = 16
PACE_SECONDS: Final = 0.55
DRAIN_SECONDS: Final = 90
PLACE_SECONDS: Final = 20
START_SECONDS: Final = 60
TAKE_OVER_SECONDS: Final = 10
SERVER_KILL_EVERY: Final = 4
PROJECTS: Final = 3


def kills(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Kill a random worker again and again, now and then a client or a server process, while jobs keep coming."""
    with arena_of(directory, seed) as arena:
        done = 0
        while done < count:
            # A rescue takes two looks of one process: workers that all die young save nobody's job.
            until(lambda: are_up(arena), seconds=START_SECONDS, what="workers to be up")
            at_work = [worker for worker in arena.workers if is_at_work(worker)]
            if at_work and arena.random.random() < 0.95:
                arena.kill(arena.random.choice(at_work))
                done += 1
                if done % SERVER_KILL_EVERY == 0:
                    arena.kill_server()
            elif arena.clients:
                arena.kill_client(arena.random.choice(arena.clients))
            arena.look()
            report_progress("kills", done, count)
            pause_between_kills(arena)
        return conclude(arena, seed)


def matrix(directory: Path, *, repeats: int, seed: int) -> dict[str, Any]:
    """Inject every fault at every place, ``repeats`` times, while jobs keep coming."""
    fourth = "cut" if connection.vendor == "postgresql" else "disk"
    cases = [(place, fault) for place in PLACES for fault in ("kill", "term", fourth, "exception")] * repeats
    with arena_of(directory, seed) as arena:
        arena.random.shuffle(cases)
        missed = []
        for number, (place, fault) in enumerate(cases):
            until(lambda: are_up(arena), seconds=START_SECONDS, what="workers to be up")
            arena.order(place, fault)
            try:
                until(lambda place=place: meets(arena, place), seconds=PLACE_SECONDS, what=place)
            except Stalled:
                arena.withdraw(place)
                missed.append(f"{place} {fault}")
            arena.look()
            report_progress("faults", number + 1, len(cases))
        return {**conclude(arena, seed), "cases": len(cases), "missed": missed}


def meets(arena: Arena, place: str) -> bool:
    """Whether a process met the fault; keeps the others alive, and gives the sweep something to find."""
    if arena.taken(place) is not None:
        return True
    arena.replace(workers=WORKERS, clients=CLIENTS, target=TARGET)
    if place == "rescue.half_way" and not Job.objects.expired().exists() and arena.random.random() < 0.02:
        busy = [worker for worker in arena.workers if holds_any(worker)]
        if busy:
            arena.kill(arena.random.choice(busy))
    return False


def freezes(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Stop a busy worker for longer than its lease, let others take its jobs, then let it go on."""
    places = ["claimed", "action.keys_read", "chunk.committed", "finish.before", "finish.after"]
    if connection.vendor == "postgresql":
        places += ["chunk.inside", "finish.verified", "beat"]  # on SQLite these hold the only write lock
    waited: list[str] = []
    with arena_of(directory, seed) as arena:
        for number in range(count):
            until(lambda: are_up(arena), seconds=START_SECONDS, what="workers to be up")
            place = places[number % len(places)]
            arena.order(place, "freeze")
            pid = until(lambda place=place: arena.taken(place), seconds=PLACE_SECONDS, what=place)
            since, held = now(), arena.faults[-1].held
            try:
                until(lambda held=held: are_taken_over(held), seconds=TAKE_OVER_SECONDS, what="others to take over")
            except Stalled:
                waited.append(place)
            arena.wake(pid, since=since)
            arena.look()
            report_progress("freezes", number + 1, count)
        return {**conclude(arena, seed), "not_taken_over_while_frozen_at": waited}


def are_up(arena: Arena) -> bool:
    """Whether all workers but one are at work; starts those that are missing."""
    arena.replace(workers=WORKERS, clients=CLIENTS, target=TARGET)
    return sum(map(is_at_work, arena.workers)) >= WORKERS - 1


def are_taken_over(held: tuple[tuple[int, int], ...]) -> bool:
    """Whether none of these attempts is the current one any more."""
    return not any(Job.objects.filter(pk=pk, attempt=attempt, status="running").exists() for pk, attempt in held)


def is_at_work(worker: Worker) -> bool:
    """Whether the process has come up; one that is killed while it imports proves nothing."""
    return worker.is_alive and worker.sign in worker.log.read_bytes()


def holds_any(worker: Worker) -> bool:
    return Job.objects.filter(status="running", worker__contains=f":{worker.pid}:").exists()


@contextlib.contextmanager
def arena_of(directory: Path, seed: int, *, made_by: type[Arena] = Arena, **options: Any) -> Iterator[Any]:
    """Give an arena with a few projects of different organizations; nothing of it lives on."""
    if not Job.objects.exists():
        for _ in range(PROJECTS):
            make_project()
    arena = made_by(directory, seed=seed, **options)
    try:
        yield arena
    finally:
        arena.close()


def conclude(arena: Arena, seed: int) -> dict[str, Any]:
    """Let what is left be done, stop the workers as a deployment would, and check."""
    arena.replace(workers=WORKERS, clients=0, target=0)
    drained = arena.drain(seconds=DRAIN_SECONDS)
    exits = []
    faults = dict(Counter(fault.how for fault in arena.faults))  # without those below, which end the run in good order
    arena.note_ended()
    until(lambda: all(is_at_work(worker) for worker in arena.workers), seconds=20, what="the last workers to be up")
    for worker in list(arena.workers):
        arena.terminate(worker)
        exits.append((worker.life.exit_status, worker.life.exit_seconds))
    verdict = check(arena.evidence())
    return {**summary(verdict), "faults": faults, "seed": seed} | {
        "drained_seconds": drained,
        "late_exits": [one for one in exits if one[0] != 0 or (one[1] or 0) > 10],
    }


def summary(verdict: Verdict) -> dict[str, Any]:
    """Return what a table shows, and the first findings of each kind."""
    shown = {name: value for name, value in verdict.as_dict().items() if name not in ("found", "recovery", "rescue")}
    first = {kind: found[:10] for kind, found in verdict.found.items() if found}
    return {
        **shown,
        "first": first,
        "recoveries": len(verdict.recovery),
        "recovery": percentiles(verdict.recovery),
        "rescue": percentiles(verdict.rescue),
    }


def pause_between_kills(arena: Arena) -> None:
    """Let the next one meet something else."""
    time.sleep(arena.random.uniform(0.5, 1.5) * PACE_SECONDS)


def report_progress(what: str, done: int, of: int) -> None:
    if done % 25 == 0 or done == of:
        print(f"{connection.vendor}: {done} of {of} {what}", flush=True)
    time.sleep(TICK_SECONDS)
