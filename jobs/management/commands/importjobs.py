"""``manage.py importjobs``: imports the jobs of the reference service, whose API ours replaces."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, Literal

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from ...contrib.reference_import.importer import ImportResult, import_jobs
from ...contrib.reference_import.source import Source
from ..base import JobsCommand


def project_pair(text: str) -> tuple[int, str]:
    """Parse ``1=3sWXSsqHgSKnE87YkNJK``: their project id, and the key of a project here."""
    number, _, key = text.partition("=")
    if not (number.isascii() and number.isdigit()) or not key:
        raise ArgumentTypeError("must be like 1=3sWXSsqHgSKnE87YkNJK: their project id, and a project key here")
    return int(number), key


class Command(JobsCommand):
    help = (
        "Copies the jobs of the reference service's table, with their ids, from this or another database. Stop its "
        "executor first. Can be cut short and run again; rows that cannot be represented are named by their ids."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database", default=DEFAULT_DB_ALIAS, metavar="ALIAS", help="where the table is, default: %(default)s"
        )
        parser.add_argument("--table", default="jobs", metavar="NAME", help="its name, default: %(default)s")
        parser.add_argument(
            "--match",
            choices=("id", "key"),
            default="id",
            help="how a project is found: their project_id is our projectId, or their project_key is our key",
        )
        parser.add_argument(
            "--projects-table", default="projects", metavar="NAME", help="for --match key, default: %(default)s"
        )
        parser.add_argument(
            "--project",
            type=project_pair,
            action="append",
            default=[],
            metavar="ID=KEY",
            dest="project_keys",
            help="their project id and a project key here, before --match; may be repeated",
        )
        parser.add_argument("--dry-run", action="store_true", help="read and check only, change nothing")
        parser.add_argument(
            "--batch-size", type=int, default=500, metavar="N", help="jobs a transaction, default: %(default)s"
        )
        self.add_json_option(parser)

    def handle(
        self,
        *,
        database: str,
        table: str,
        match: Literal["id", "key"],
        projects_table: str,
        project_keys: list[tuple[int, str]],
        **options: Any,
    ) -> None:
        """Import, print counts, and exit with 1 if a row was refused."""
        try:
            source = Source(
                alias=database, table=table, match=match, projects_table=projects_table, project_keys=dict(project_keys)
            )
            done = import_jobs(source, batch_size=options["batch_size"], dry_run=options["dry_run"])
        except DatabaseError as error:
            # Without its text, which may have values of rows.
            problem = f"{type(error).__name__}; what was imported is kept. Is {table!r} a table in {database!r}?"
            raise CommandError(f"The import broke off: {problem}") from error
        result = {"dryRun": options["dry_run"], "read": done.read, "imported": done.imported, "present": done.present}
        result["refused"] = [{"jobId": row.job_id, "reason": row.reason} for row in done.skipped]
        if not self.as_json:
            for row in done.skipped:
                self.stderr.write(f"job {row.job_id}: {row.reason}")
        self.show(result, _sentence(done, dry_run=options["dry_run"]))
        if done.skipped:
            raise CommandError(f"{len(done.skipped)} rows were refused.")


def _sentence(done: ImportResult, *, dry_run: bool) -> str:
    verb = "would be imported; nothing was changed" if dry_run else "were imported"
    rest = f"{done.present} had been before, {len(done.skipped)} cannot be represented"
    return f"Of {done.read} rows {done.imported} {verb}; {rest}."
