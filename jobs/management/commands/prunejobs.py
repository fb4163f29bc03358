"""``manage.py prunejobs``: redacts or deletes jobs that ended long ago; to be run every day."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from ...db.errors import ErrorKind, kind_of
from ...services.commands.prune import Pruned, count_to_delete, count_to_redact, delete_jobs, pruned_before, redact_jobs
from ..base import JobsCommand, to_second


class Command(JobsCommand):
    help = (
        "Redacts jobs that ended more than JOBS['RETENTION_DAYS'] ago: reference, description, parameters, errors and "
        "the texts of their events are blanked; receipt, status and times are kept. Can be cut short and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--delete", action="store_true", help="delete the jobs and their events instead")
        parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")
        parser.add_argument(
            "--batch-size", type=int, default=500, metavar="N", help="jobs a transaction, default: %(default)s"
        )
        self.add_json_option(parser)

    def handle(self, *, delete: bool, dry_run: bool, batch_size: int, as_json: bool, **_: Any) -> None:
        try:
            before = pruned_before()
            if dry_run:
                count = count_to_delete if delete else count_to_redact
                pruned = Pruned(before=before, done=count(before))
            else:
                prune = delete_jobs if delete else redact_jobs
                pruned = prune(before, batch_size=batch_size)
        except DatabaseError as error:
            if kind_of(error) is ErrorKind.OTHER:
                raise
            raise CommandError("The database was busy or away; what was done is kept. Run it again.") from error
        mode, counts = (
            "delete" if delete else "redact",
            {"jobs": pruned.done, "events": pruned.events, "kept": pruned.kept},
        )
        result = {"mode": mode, "dryRun": dry_run, "before": to_second(pruned.before), **counts}
        self.show(result, _sentence(pruned, delete, dry_run), as_json=as_json)


def _sentence(pruned: Pruned, delete: bool, dry_run: bool) -> str:
    verb = "deleted" if delete else "redacted"
    ended = f"jobs that ended before {to_second(pruned.before)}"
    if dry_run:
        return f"{pruned.done} {ended} would be {verb}; nothing was changed."
    kept = f" {pruned.kept} were kept: locked, or protected by rows that refer to them." if pruned.kept else ""
    return f"{pruned.done} {ended} were {verb}, with {pruned.events} events.{kept}"
