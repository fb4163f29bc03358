"""Factories of organizations, projects, jobs and API keys, for the tests of host projects."""

from collections.abc import Collection
from datetime import datetime
from itertools import count
from typing import Any, Final

from ..db import clock
from ..db.connection import jobs_connection
from ..models import SCOPES, Job, Organization
from ..services.commands.schedule import schedule_job
from ..services.tenants.api_keys import NewKey, create_api_key
from ..services.tenants.projects import get_project_model, insert_project

_number: Final = count(1)


def make_organization(**fields: Any) -> Organization:
    """Insert an organization; its name is generated unless given."""
    return Organization.objects.create(**{"name": f"Organization {next(_number)}", **fields})


def make_project(*, organization: Organization | None = None, **fields: Any) -> Any:
    """Insert a project of the host's model, of an organization of its own unless one is given.

    ``fields`` are those of the model; ``name`` is generated if the model has it.

    Raises:
        InvalidField: the model requires a field that was not given; the message names it.
    """
    model = get_project_model()
    if any(field.name == "name" for field in model._meta.concrete_fields):
        fields.setdefault("name", f"Project {next(_number)}")
    return insert_project(organization=organization or make_organization(), **fields)


def make_job(
    action: str,
    *,
    project: Any = None,
    reference_id: str | None = None,
    start_at: datetime | None = None,
    parameters: dict[str, Any] | None = None,
) -> Job:
    """Schedule a job that is due at once, also if its action starts later; ``start_at`` overrides this.

    The project and the reference are generated unless given. Raises what ``schedule_job`` raises.
    """
    return schedule_job(
        action,
        project=project or make_project(),
        reference_id=reference_id or f"user-{next(_number)}@example.com",
        start_at=start_at or clock.read(jobs_connection()),
        parameters=parameters,
    )


def make_api_key(
    *, organization: Organization | None = None, project: Any = None, scopes: Collection[str] = SCOPES
) -> NewKey:
    """Make an API key; ``.secret`` is what a client sends. With ``project`` it opens that one only."""
    owner = organization or (make_organization() if project is None else project.organization)
    return create_api_key(organization=owner, project=project, scopes=scopes)
