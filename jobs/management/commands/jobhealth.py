"""``manage.py jobhealth``: prints the health of the installation, and reports problems by its exit status."""

import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.db import Error

from ...services.commands.pauses import scope_of
from ...services.reports.health import Bounds, Health, InterruptedJob, JobAge, LastHeartbeat, check_health
from ..base import JobsCommand, to_second

BEYOND_BOUNDS: Final = 1
NO_ANSWER: Final = 2
NO_DATABASE: Final = "the database does not answer"


class Command(JobsCommand):
    help = "Shows whether jobs get done. Exits 0: healthy, 1: beyond a bound, 2: the database does not answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        bounds = Bounds()
        options: list[tuple[str, Any, str, str]] = [
            ("--max-overdue", bounds.max_overdue, "SECONDS", "how long a job that is not paused may be due"),
            ("--max-beat-age", bounds.max_beat_age, "SECONDS", "how old the beat of a worker that is alive may be"),
            ("--min-workers", bounds.min_workers, "N", "how many workers must be alive"),
            ("--max-idle", bounds.max_idle, "SECONDS", "how long no job may end or advance while one is due"),
            ("--max-expired", bounds.max_expired, "N", "how many expired leases may be left unrescued"),
            ("--max-failures", bounds.max_failures, "N", "how many jobs may have failed in the last hour"),
            ("--max-interruptions", bounds.max_interruptions, "N", "how often an unfinished job may be interrupted"),
        ]
        for name, default, unit, words in options:
            kind = float if unit == "SECONDS" else int
            parser.add_argument(name, type=kind, default=default, metavar=unit, help=f"{words}, default: %(default)s")
        self.add_json_option(parser)

    def handle(self, **options: Any) -> None:
        """Check and print; exit with a status that says whether there are problems."""
        bounds = Bounds(**{name: options[name] for name in Bounds.__dataclass_fields__})
        try:
            health = check_health()
        except Error:  # without its text, which may have a password or values of rows
            self.show({"ok": False, "problems": [NO_DATABASE]}, f"PROBLEM: {NO_DATABASE}")
            sys.exit(NO_ANSWER)
        problems = health.describe_problems(bounds)
        result = _result(health, bounds, problems)
        self.show(result, _lines(result))
        if problems:
            sys.exit(BEYOND_BOUNDS)


def _result(health: Health, bounds: Bounds, problems: list[str]) -> dict[str, Any]:
    """Return the snapshot as JSON; durations are in seconds."""
    return {
        "ok": not problems,
        "problems": problems,
        "checkedAt": to_second(health.checked_at),
        "oldestOverdue": _age(health.oldest_overdue),
        "oldestPaused": _age(health.oldest_paused),
        "oldestRunning": _age(health.oldest_running),
        "mostInterrupted": _interrupted(health.most_interrupted),
        "expiredLeases": health.expired_leases,
        "unrescuedLeases": health.unrescued,
        "idleSeconds": health.idle_seconds,
        "workersAlive": health.alive(bounds),
        "workers": [{"worker": beat.worker, **_beat(beat)} for beat in health.workers],
        "dispatchers": [{"dispatcher": beat.worker, **_beat(beat)} for beat in health.dispatchers],
        "failuresLastHour": health.failures,
        "pauses": [
            {
                "scope": scope_of(pause),
                "reason": pause.reason,
                "since": to_second(pause.created_at),
                "by": pause.created_by,
            }
            for pause in health.pauses
        ],
    }


def _beat(beat: LastHeartbeat) -> dict[str, Any]:
    return {"startedAt": to_second(beat.started_at), "beatAge": beat.seconds}


def _age(age: JobAge | None) -> dict[str, Any] | None:
    return None if age is None else {"jobId": age.job_id, "action": age.action, "seconds": age.seconds}


def _interrupted(job: InterruptedJob | None) -> dict[str, Any] | None:
    return None if job is None else {"jobId": job.job_id, "action": job.action, "interruptions": job.interruptions}


def _lines(result: dict[str, Any]) -> str:
    def job(name: str) -> str:
        age = result[name]
        return "none" if age is None else f"job {age['jobId']} ({age['action']}), {age['seconds']:.0f} s"

    lines = [
        f"oldest overdue:    {job('oldestOverdue')}",
        f"oldest paused:     {job('oldestPaused')}",
        f"oldest running:    {job('oldestRunning')}",
        f"expired leases:    {result['expiredLeases']}, of these unrescued {result['unrescuedLeases']}",
        f"failed last hour:  {result['failuresLastHour']}",
        f"last done:         {result['idleSeconds']:.0f} s ago",
        f"workers alive:     {result['workersAlive']}",
        *(f"  {worker['worker']}, last beat {worker['beatAge']:.0f} s ago" for worker in result["workers"]),
        *(f"dispatcher:        {d['dispatcher']}, last beat {d['beatAge']:.0f} s ago" for d in result["dispatchers"]),
        *(f"paused:            {p['scope']} since {p['since']} – {p['reason']}" for p in result["pauses"]),
        *(f"PROBLEM: {problem}" for problem in result["problems"]),
    ]
    return "\n".join([*lines, "OK"] if result["ok"] else lines)
