"""``manage.py jobhealth``: what is late, stuck or halted; for people, and for monitors by its exit status."""

import json
import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.db import Error

from ...services.commands.pauses import scope_of
from ...services.reports.health import Bounds, Health, Late, check_health

BEYOND_BOUNDS: Final = 1
NO_ANSWER: Final = 2
NO_DATABASE: Final = "the database does not answer"


class Command(BaseCommand):
    help = "Shows whether jobs get done. Exits 0: healthy, 1: beyond a bound, 2: the database does not answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        bounds = Bounds()
        options: list[tuple[str, Any, str, str]] = [
            ("--max-overdue", bounds.max_overdue, "SECONDS", "how long a job that is not paused may be due"),
            ("--max-beat-age", bounds.max_beat_age, "SECONDS", "how old the beat of a worker that is alive may be"),
            ("--min-workers", bounds.min_workers, "N", "how many workers must be alive"),
            ("--max-expired", bounds.max_expired, "N", "how many expired leases may be left unrescued"),
            ("--max-failures", bounds.max_failures, "N", "how many jobs may have failed in the last hour"),
        ]
        for name, default, unit, words in options:
            kind = float if unit == "SECONDS" else int
            parser.add_argument(name, type=kind, default=default, metavar=unit, help=f"{words}, default: %(default)s")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, nothing else")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        """Look, print, and exit with the verdict."""
        bounds = Bounds(**{name: options[name] for name in Bounds.__dataclass_fields__})
        try:
            health = check_health()
        except Error:  # its text may hold a password or values of rows
            self.stdout.write(
                json.dumps({"ok": False, "problems": [NO_DATABASE]}) if as_json else f"PROBLEM: {NO_DATABASE}"
            )
            sys.exit(NO_ANSWER)
        problems = health.problems(bounds)
        shown = _shown(health, bounds, problems)
        self.stdout.write(json.dumps(shown) if as_json else _lines(shown))
        if problems:
            sys.exit(BEYOND_BOUNDS)


def _shown(health: Health, bounds: Bounds, problems: list[str]) -> dict[str, Any]:
    """Return the snapshot as JSON has it; durations are seconds."""
    return {
        "ok": not problems,
        "problems": problems,
        "checkedAt": health.checked_at.isoformat(timespec="seconds"),
        "oldestOverdue": _late(health.oldest_overdue),
        "oldestPaused": _late(health.oldest_paused),
        "oldestRunning": _late(health.oldest_running),
        "expiredLeases": health.expired_leases,
        "unrescuedLeases": health.unrescued,
        "workersAlive": health.alive(bounds),
        "workers": [
            {"worker": beat.worker, "startedAt": beat.started_at.isoformat(timespec="seconds"), "beatAge": beat.seconds}
            for beat in health.workers
        ],
        "dispatchers": [
            {
                "dispatcher": beat.worker,
                "startedAt": beat.started_at.isoformat(timespec="seconds"),
                "beatAge": beat.seconds,
            }
            for beat in health.dispatchers
        ],
        "failuresLastHour": health.failures,
        "pauses": [
            {
                "scope": scope_of(pause),
                "reason": pause.reason,
                "since": pause.created_at.isoformat(timespec="seconds"),
                "by": pause.created_by,
            }
            for pause in health.pauses
        ],
    }


def _late(late: Late | None) -> dict[str, Any] | None:
    return None if late is None else {"jobId": late.job_id, "action": late.action, "seconds": late.seconds}


def _lines(shown: dict[str, Any]) -> str:
    def job(name: str) -> str:
        late = shown[name]
        return "none" if late is None else f"job {late['jobId']} ({late['action']}), {late['seconds']:.0f} s"

    lines = [
        f"oldest overdue:    {job('oldestOverdue')}",
        f"oldest paused:     {job('oldestPaused')}",
        f"oldest running:    {job('oldestRunning')}",
        f"expired leases:    {shown['expiredLeases']}, of these unrescued {shown['unrescuedLeases']}",
        f"failed last hour:  {shown['failuresLastHour']}",
        f"workers alive:     {shown['workersAlive']}",
        *(f"  {worker['worker']}, last beat {worker['beatAge']:.0f} s ago" for worker in shown["workers"]),
        *(f"dispatcher:        {d['dispatcher']}, last beat {d['beatAge']:.0f} s ago" for d in shown["dispatchers"]),
        *(f"paused:            {p['scope']} since {p['since']} – {p['reason']}" for p in shown["pauses"]),
        *(f"PROBLEM: {problem}" for problem in shown["problems"]),
    ]
    return "\n".join([*lines, "OK"] if shown["ok"] else lines)
