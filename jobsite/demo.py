"""Prepares the demo: a project with sessions, jobs in every status, a staff login, an API key."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth import get_user_model

from jobs import Status, create_api_key, revoke_api_key
from jobs.models import ApiKey, Organization
from jobsite.history import find_or_create_project, write_history
from jobsite.seed import MAIN_USERS, seed
from jobsite.stage import find_staged, stage_jobs

NAME: Final = "Demo"
STAFF: Final = "admin"


class DatabaseInUse(Exception):
    """The database has organizations, but not the demo's: somebody else uses it."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What people need to try the demo; both secrets exist here and nowhere else."""

    project_key: str
    api_key: str
    staff_password: str
    # A job in each status.
    job_ids: dict[Status, int]


def prepare(*, sessions: int, say: Callable[[str], None]) -> Prepared:
    """Fill the database, or restore what visitors of an earlier run have changed; may be repeated.

    ``sessions`` is how many there are to be in all; a project that has some keeps them.

    Raises:
        DatabaseInUse: nothing was changed.
    """
    organizations = Organization.objects.all()
    if organizations.exists() and not organizations.filter(name=NAME).exists():
        raise DatabaseInUse
    project = find_or_create_project(NAME, NAME)
    say(f"Recorded sessions: {sessions:,}")
    seed(project, total=sessions)
    say("Jobs: a week of other customers' ones, and one in every status")
    write_history()
    stage_jobs(project, sessions=sessions)
    return Prepared(
        project_key=project.key,
        api_key=_new_key(project),
        staff_password=_new_password(),
        job_ids={status: job.pk for status in Status if (job := find_staged(project, status))},
    )


def _new_key(project: Any) -> str:
    """Make an API key, and revoke those of earlier runs."""
    for prefix in ApiKey.objects.filter(project=project, name=NAME, revoked_at=None).values_list("prefix", flat=True):
        revoke_api_key(prefix)
    return create_api_key(organization=project.organization, project=project, name=NAME).secret


def _new_password() -> str:
    """Make the staff login, or give it a new password; only its hash is kept, so none can be printed again."""
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(username=STAFF)
    user.is_active = user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.save()
    return password


def describe(prepared: Prepared, *, address: str) -> str:
    """Return what is printed when the site is up: addresses, login, key, and calls to paste into a shell."""
    jobs = f"{address}/public/{prepared.project_key}/jobs"
    first = f"{address}/public/{prepared.project_key}/users/{MAIN_USERS[0].replace('@', '%40')}"
    curl = f"curl -s -H 'Authorization: Bearer {prepared.api_key}'"
    body = f'{{"action": "delete_user_data", "referenceId": "{MAIN_USERS[1]}", "startAt": \'$(date +%s)000\'}}'
    create = f"-H 'Content-Type: application/json' -d '{body}'"
    ids = prepared.job_ids
    calls = {
        "List the newest jobs": f"{curl} '{jobs}?limit=5'",
        "Read one that completed": f"{curl} '{jobs}/{ids.get(Status.COMPLETED)}'",
        f"Erase everything about {MAIN_USERS[0]}, at the next midnight UTC": f"{curl} -X DELETE '{first}'",
        f"Erase everything about {MAIN_USERS[1]}, now": f"{curl} -X POST '{jobs}' {create}",
        "Cancel one that waits": f"{curl} -X DELETE '{jobs}/{ids.get(Status.SCHEDULED)}'",
    }
    lost = (
        f"Job {ids.get(Status.RUNNING)} runs in a worker that was lost on purpose; another one finishes it within 75 s."
    )
    return "\n".join(
        [
            "",
            f"  Site         {address}/",
            f"  Admin        {address}/admin/ as {STAFF} with the password {prepared.staff_password}",
            f"  Project key  {prepared.project_key}",
            f"  API key      {prepared.api_key}",
            "",
            *(f"# {what}\n{call}\n" for what, call in calls.items() if "/None'" not in call),
            *([lost] if Status.RUNNING in ids else []),
            "Key and password are shown this once; each run makes new ones. Ctrl-C stops everything.",
            "",
        ]
    )
