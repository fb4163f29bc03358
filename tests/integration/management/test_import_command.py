"""``manage.py importjobs``: options, counts, refusals."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.support.reference_table import add, project, theirs

__all__ = ["project", "theirs"]  # fixtures

pytestmark = pytest.mark.django_db


def command(*arguments: str) -> tuple[str, str, str]:
    """Run it; return what it printed, what it complained of, and its error."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("importjobs", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue(), str(error)
    return out.getvalue(), err.getvalue(), ""


def test_the_command_reports_counts_and_names_what_it_refused(theirs: str, project: Any):
    add(theirs, 5)
    add(theirs, 6, status="running")
    arguments = ("--table", theirs, "--project", f"1={project.key}")

    dry = command(*arguments, "--dry-run")
    done = command(*arguments)
    told = json.loads(command(*arguments, "--json")[0])

    assert dry[0] == "Of 2 rows 1 would be imported; nothing was changed; 0 had been before, 1 cannot be represented.\n"
    assert done[0] == "Of 2 rows 1 were imported; 0 had been before, 1 cannot be represented.\n"
    assert done[1] == "job 6: status: is running, there; let the job end, then import again\n"
    assert done[2] == "1 rows were refused."
    assert told == {
        "dryRun": False,
        "read": 2,
        "imported": 0,
        "present": 1,
        "refused": [{"jobId": 6, "reason": "status: is running, there; let the job end, then import again"}],
    }


def test_the_command_ends_well_if_nothing_was_refused(theirs: str, project: Any):
    add(theirs, 5)

    assert command("--table", theirs, "--project", f"1={project.key}", "--batch-size", "1")[2] == ""


@pytest.mark.django_db(transaction=True)
def test_a_table_that_is_not_there_is_named():
    assert "Is 'nothing_there' a table in 'default'?" in command("--table", "nothing_there")[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--database", "nowhere"], "must be an alias in DATABASES"),
        (["--project", "x=y"], "their project id, and a project key"),
        (["--batch-size", "0"], "must be 1 to 5,000"),
        (["--match", "name"], "invalid choice"),
    ],
)
def test_options_that_cannot_work_are_refused(arguments: list[str], told: str):
    assert told in command(*arguments)[2]
