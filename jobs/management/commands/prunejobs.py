"""``manage.py prunejobs``: redacts or deletes jobs that ended long ago, every day; or empties one project."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from ...db.errors import ErrorKind, kind_of
from ...erasure.files import forget_unknown_files, remove_left_files
from ...services.commands.prune import (
    Pruned,
    count_in_project,
    count_to_delete,
    count_to_redact,
    delete_jobs,
    empty_project,
    pruned_before,
    redact_jobs,
)
from ...services.tenants.projects import get_project_by_key
from ..base import JobsCommand, to_second


class Command(JobsCommand):
    help = (
        "Redacts jobs that ended more than JOBS['RETENTION_DAYS'] ago: reference, description, parameters, errors and "
        "the texts of their events are blanked; receipt, status and times are kept. Can be cut short and run again. "
        "With --project KEY --now it cancels and deletes all jobs of one project, whatever their age."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--delete", action="store_true", help="delete the jobs and their events instead")
        parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")
        parser.add_argument(
            "--batch-size", type=int, default=500, metavar="N", help="jobs a transaction, default: %(default)s"
        )
        parser.add_argument("--project", metavar="KEY", help="with --now: the project to empty")
        parser.add_argument("--now", action="store_true", help="cancel what has not ended, and delete all its jobs")
        parser.add_argument("--no-input", "--noinput", action="store_false", dest="interactive", help="do not ask")
        self.add_json_option(parser)

    def handle(
        self,
        *,
        delete: bool,
        dry_run: bool,
        batch_size: int,
        project: str | None,
        now: bool,
        interactive: bool,
        **_: Any,
    ) -> None:
        if now != (project is not None):
            raise CommandError("--project and --now belong together: they empty one project.")
        try:
            if project is not None:
                self._empty(project, dry_run=dry_run, batch_size=batch_size, interactive=interactive)
            else:
                self._prune(delete=delete, dry_run=dry_run, batch_size=batch_size)
        except DatabaseError as error:
            if kind_of(error) is ErrorKind.OTHER:
                raise
            raise CommandError("The database was busy or away; what was done is kept. Run it again.") from error

    def _prune(self, *, delete: bool, dry_run: bool, batch_size: int) -> None:
        before = pruned_before()
        if dry_run:
            count = count_to_delete if delete else count_to_redact
            pruned = Pruned(before=before, done=count(before))
        else:
            prune = delete_jobs if delete else redact_jobs
            pruned = prune(before, batch_size=batch_size)
            # Where workers only drain, they may never live long enough.
            remove_left_files()
            forget_unknown_files(before)
        mode = "delete" if delete else "redact"
        counts = {"jobs": pruned.done, "events": pruned.events, "kept": pruned.kept}
        result = {"mode": mode, "dryRun": dry_run, "before": to_second(pruned.before), **counts}
        self.show(result, _sentence(pruned, delete, dry_run))

    def _empty(self, key: str, *, dry_run: bool, batch_size: int, interactive: bool) -> None:
        """Ask, then empty the project."""
        project = get_project_by_key(key)
        jobs, active = count_in_project(project)
        what = f"{jobs} jobs of the project {key}, of which {active} wait or run"
        if dry_run:
            result = {"mode": "empty", "dryRun": True, "jobs": jobs, "cancelled": active, "events": 0, "kept": 0}
            self.show(result, f"{what}, would be deleted; nothing was changed.")
            return
        if interactive:
            question = f"This cancels and deletes {what}, with their events and receipts. It cannot be undone.\n"
            if input(f"{question}Type 'yes' to go on: ") != "yes":
                raise CommandError("Nothing was changed.")
        pruned = empty_project(project, batch_size=batch_size)
        counts = {"jobs": pruned.done, "cancelled": pruned.cancelled, "events": pruned.events, "kept": pruned.kept}
        kept = (
            f" {pruned.kept} were kept: they run a chunk, or rows refer to them. Run it again." if pruned.kept else ""
        )
        text = f"{pruned.done} jobs were deleted, with {pruned.events} events; {pruned.cancelled} were cancelled.{kept}"
        self.show({"mode": "empty", "dryRun": False, **counts}, text)


def _sentence(pruned: Pruned, delete: bool, dry_run: bool) -> str:
    verb = "deleted" if delete else "redacted"
    ended = f"jobs that ended before {to_second(pruned.before)}"
    if dry_run:
        return f"{pruned.done} {ended} would be {verb}; nothing was changed."
    kept = f" {pruned.kept} were kept: locked, or protected by rows that refer to them." if pruned.kept else ""
    return f"{pruned.done} {ended} were {verb}, with {pruned.events} events.{kept}"
