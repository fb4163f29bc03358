"""Outages of the database under load: workers, callers and the API live through them and go on by themselves."""

import time
from collections import Counter
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

from django.db import connection

from jobs.models import Job, JobEvent
from tests.support.factories import make_key, make_project
from tests.support.http_server import running_server
from tests.system.chaos.arena import Arena, Stalled, Worker, until
from tests.system.chaos.caller import CHANGING, UP, Caller
from tests.system.chaos.checker import percentiles
from tests.system.chaos.evidence import Fault
from tests.system.chaos.outage_logs import problems_of, trouble_lines
from tests.system.chaos.runs import START_SECONDS, are_up, arena_of, conclude, is_at_work, report_progress
from tests.system.chaos.suffering import Suffering

BETWEEN_SECONDS: Final = (0.5, 2.0)
RETURN_SECONDS: Final = 30
SHOWN: Final = 10


class Run:
    """One run: makes the outages, and notes what did not go on by itself."""

    def __init__(self, arena: Arena, caller: Caller, suffering: Suffering) -> None:
        self.problems: list[str] = []
        self.first_claims: list[float] = []
        self.all_claims: list[float] = []
        self.logs: set[Path] = set()
        self._arena = arena
        self._caller = caller
        self._suffering = suffering

    def suffer(self, kind: str) -> None:
        """Let one outage begin, last and end; then wait until everybody is at work again."""
        until(lambda: are_up(self._arena), seconds=START_SECONDS, what="workers to be up")
        self._arena.look()
        self._caller.enter(UP)
        time.sleep(self._arena.random.uniform(*BETWEEN_SECONDS))
        workers = [worker for worker in self._arena.workers if is_at_work(worker)]
        self.logs |= {worker.log for worker in workers}
        connection.close()
        self._caller.enter(CHANGING)
        with self._suffering.outages[kind]():
            self._caller.enter(kind)
            self._arena.faults.append(Fault(at=datetime.now(UTC), how=kind, place="", pid=0, held=()))
            time.sleep(self._arena.random.uniform(*self._suffering.lengths[kind]))
            self._caller.enter(CHANGING)
        self._await_return(kind, workers, back=datetime.now(UTC))

    def _await_return(self, kind: str, workers: list[Worker], *, back: datetime) -> None:
        """Wait until each of the workers has claimed again; they are the same processes as before."""
        claims = JobEvent.objects.filter(what="claimed", at__gte=back)
        calls = len(self._caller.calls)
        try:
            until(
                lambda: {pid_of(actor) for actor in actors(claims)} >= {w.pid for w in workers if w.is_alive},
                seconds=RETURN_SECONDS,
                what="every worker to claim again",
            )
            until(
                lambda: {"GET 200", "POST 201"} <= {f"{c.method} {c.status}" for c in self._caller.calls[calls:]},
                seconds=RETURN_SECONDS,
                what="the API to serve again",
            )
        except Stalled as error:
            self.problems.append(f"after {kind}: {error}")
        firsts = dict(claims.order_by("-at").values_list("actor", "at"))  # of each, the last in this order
        waits = sorted((at - back).total_seconds() for at in firsts.values())
        self.first_claims += waits[:1]
        self.all_claims += waits
        self.problems += [f"a worker ended in {kind}: exit status {w.popen.poll()}" for w in workers if not w.is_alive]

    def found_in_logs(self) -> list[str]:
        """Return what the workers should not have logged."""
        return [f"{log.name}: {text}" for log in sorted(self.logs) for text in problems_of(log.read_text())]


def run(directory: Path, suffering: Suffering, *, count: int, seed: int) -> dict[str, Any]:
    """Make ``count`` outages of all kinds, in an order that the seed decides; return what a table shows."""
    for kind, reason in suffering.left_out.items():
        print(f"{connection.vendor}: {kind} is left out: {reason}", flush=True)
    with (
        arena_of(directory, seed) as arena,
        (directory / "gunicorn.log").open("wb") as log,
        running_server(log) as port,
    ):
        project = make_project()
        secret = make_key(organization=project.organization).secret
        caller = Caller(port, project_key=project.key, secret=secret, record=arena.records / "caller")
        kinds = sorted(suffering.outages) * ceil(count / len(suffering.outages))
        arena.random.shuffle(kinds)
        one = Run(arena, caller, suffering)
        caller.start()
        try:
            for number, kind in enumerate(kinds[:count]):
                one.suffer(kind)
                report_progress("outages", number + 1, count)
        finally:
            caller.end()
        return judged(one, caller, suffering, conclude(arena, seed), (directory / "gunicorn.log").read_text())


def judged(one: Run, caller: Caller, suffering: Suffering, result: dict[str, Any], gunicorn: str) -> dict[str, Any]:
    """Add to the checker's result what was seen of workers, logs and the API."""
    problems = [*one.problems, *caller.problems(), *one.found_in_logs()]
    problems += [
        f"job {pk} was blamed for an outage" for pk in Job.objects.filter(failures__gt=0).values_list("pk", flat=True)
    ]
    problems += [f"a late exit: {one}" for one in result["late_exits"]]
    if (boots := gunicorn.count("Booting worker")) != 1:
        problems.append(f"gunicorn started {boots} workers")
    return {
        **result,
        "is_clean": result["is_clean"] and not problems,
        "recoveries": len(one.first_claims),
        "recovery": percentiles(one.first_claims),
        "recovery_of_each_worker": percentiles(one.all_claims),
        "left_out": suffering.left_out,
        "answers": {state: dict(sorted(caller.answered(state).items())) for state in (UP, *suffering.outages)},
        "trouble_lines": sum(len(trouble_lines(log.read_text())) for log in one.logs),
        "problems": len(problems),
        "first_problems": problems[:SHOWN],
        "kinds_of_problems": dict(Counter(text.partition(":")[0] for text in problems).most_common(SHOWN)),
    }


def actors(claims: Any) -> set[str]:
    return set(claims.values_list("actor", flat=True))


def pid_of(actor: str) -> int:
    """Return the process of ``worker:host:pid:…``."""
    return int(actor.split(":")[2])
