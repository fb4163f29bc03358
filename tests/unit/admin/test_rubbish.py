"""Whatever a browser sends to a page of the admin, the answer is a page, a redirect or a refusal, and never a 500."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern

from jobs.models import ApiKey, Job, Organization, Pause
from jobs.services.tenants.projects import get_project_model
from jobsite.models import Session
from tests.support.factories import make_job, make_key

STAFF_MAY: Final = None  # a superuser reaches everything

MODELS: Final = (Job, ApiKey, Organization, Pause, get_project_model(), Session)
RUBBISH: Final = ("", "abc", "0", "-1", "1e3", "9" * 30, "\0", "\ud7ff\u202e", "1,2", "None", "a" * 3_000)
PARAMETERS: Final = (
    *(
        "project",
        "status",
        "action",
        "created",
        "started",
        "attempts",
        "late",
        "same_as",
        "before",
        "events",
        "attempt",
    ),
    *("created_at__year", "created_at__gte", "organization", "organization__id__exact", "name__regex", "id__in", "pk"),
    *("q", "o", "p", "all", "e", "_facets", "_popup", "_to_field", "_changelist_filters", "period", "span", "hours"),
    *("started_at__year", "user_id"),
)
FIELDS: Final = (
    *("project", "organization", "action", "reference_id", "start_at_0", "start_at_1", "description", "parameters"),
    *("scopes", "lifetime_days", "name", "reason", "overlap_hours", "asked", "confirmed", "post", "select_across"),
    *("plan", "at_least"),
    *("_selected_action", "index", "_save", "_popup", "_to_field"),
)
ACTIONS: Final = ("cancel_selected", "retry_selected", "run_selected", "revoke_selected", "resume_selected")


def filled(names: tuple[str, ...], value: str) -> dict[str, str]:
    """Return a query or form with this value everywhere; Django's own pages fail on an empty ``_to_field``."""
    return {name: value for name in names if value or name != "_to_field"}


def addresses() -> Iterator[str]:
    """Give each address of each model, once with an id that exists and once with some that cannot."""
    for model in MODELS:
        row: Any = model._default_manager.first()
        at = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for pattern in admin.site._registry[model].urls:
            if not isinstance(pattern, URLPattern):
                continue
            route = str(pattern.pattern)
            ids = ("x",) if "<path:object_id>" not in route else (getattr(row, "pk", 1), "abc", "9" * 30, "-1", "_00")
            for object_id in ids:
                yield at + route.replace("<path:object_id>", str(object_id))


@pytest.fixture
def rows() -> None:
    job = make_job()
    make_key(organization=job.project.organization)
    Pause.objects.create(reason="x", created_by="staff:1", created_at=job.created_at)
    Session.objects.create(
        project=job.project, user_id="x", started_at=job.created_at, duration=timedelta(1), country="x", page="x"
    )


@pytest.fixture
def client(client: Client) -> Client:
    client.raise_request_exception = False
    return client


def is_list(address: str) -> bool:
    return address.count("/") == 4


def test_no_parameter_makes_a_page_fail(client: Client, rows: None):
    queries = [filled(PARAMETERS, value) for value in RUBBISH]
    singly = [{name: value} for name in PARAMETERS for value in ("abc", "0", "9" * 30, "\0")]

    failed = [
        (address, query)
        for address in addresses()
        for query in (*queries, *(singly if is_list(address) else ()))
        if client.get(address, query).status_code >= 500
    ]

    assert failed == []


def test_no_form_makes_a_page_fail(client: Client, rows: None):
    forms = [filled(FIELDS, value) for value in RUBBISH]
    chosen = [{**form, "action": action} for form in forms for action in ACTIONS]

    failed = [
        (address, form)
        for address in addresses()
        for form in (*forms, *(chosen if is_list(address) else ()))
        if client.post(address, form).status_code >= 500
    ]

    assert failed == []


@pytest.mark.parametrize("project", ["abc", "9" * 30])
def test_the_filter_by_a_project_says_none_such(client: Client, project: str):
    assert "none such" in client.get("/admin/jobs/job/", {"project": project}).content.decode()


@pytest.mark.parametrize("page", ["jobs/job", "jobs/apikey", "jobs/pause", "jobs/project"])
@pytest.mark.parametrize("value", ["abc", "9" * 30])
def test_a_form_shows_an_id_that_no_row_has_as_its_error(client: Client, page: str, value: str):
    answer = client.post(f"/admin/{page}/add/", {"project": value, "organization": value})

    assert answer.status_code == 200
    assert "not one of the available choices" in answer.content.decode()
