"""Provokes errors at every door, and prints what Sentry's SDK and Django's error mails make of them, as JSON.

A process of its own, with ``DATABASE_URL``, as the SDK changes Django for good. The SDK has its default settings;
only where the address of a page has the reference, it has our ``before_send``, as docs/how-to/production.md says.
"""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import quote

import django
import sentry_sdk
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import setup_test_environment
from django.utils.log import AdminEmailHandler

from jobs.logging import mask_event
from jobs.processes.threads import ThreadGroup
from tests.support.factories import make_job, make_key, make_project

ADDRESS: Final = "http://key@127.0.0.1:9/1"
REFERENCE: Final = "canary-7f3a@example.com"
AUTHENTICATION: Final = "jobs.services.tenants.api_keys._possible_key"
INSERT: Final = "jobs.services.commands.insert.transitions.schedule_many"
KEY_PRINTED: Final = "jobs.management.base.JobsCommand.show"

events: Final[list[str]] = []


class Kept(sentry_sdk.Transport):
    """Keeps what would be sent, in the form in which it would be sent."""

    def capture_envelope(self, envelope: Any) -> None:
        buffer = io.BytesIO()
        envelope.serialize_into(buffer)
        events.append(buffer.getvalue().decode())


def refuse_statement(*_: Any, **__: Any) -> None:
    """Fail by a statement with a mistake; PostgreSQL quotes the line, with its values."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM jobs_job WHERE reference_id = %s", [REFERENCE])


def refuse_value(*_: Any, **__: Any) -> None:
    """Fail by a value, which PostgreSQL quotes in the first line of its answer; SQLite takes any value."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(%s AS bigint)", [REFERENCE])
    raise RuntimeError("a fault")


@contextmanager
def broken(place: str, fail: Callable[..., None]) -> Iterator[None]:
    """Let the function at ``place`` fail; that must cause one more event."""
    before = len(events)
    with patch(place, side_effect=fail):
        yield
    assert len(events) == before + 1, place


def call(*arguments: str, **options: str) -> None:
    """Run a command; its error ends its process, where the SDK's hook is."""
    try:
        call_command(*arguments, **options)
    except Exception:  # noqa: BLE001 – whatever it is
        sentry_sdk.capture_exception()


def break_api(fail: Callable[..., None], project: Any, secret: str) -> None:
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"})
    jobs = f"/public/{project.key}/jobs"
    new = {"action": "touch_publicly", "referenceId": REFERENCE}
    for place in (AUTHENTICATION, INSERT):
        with broken(place, fail):
            assert client.post(jobs, new, content_type="application/json").json()["code"] == "internal_error"
        with broken(place, fail):
            assert client.delete(f"/public/{project.key}/users/{quote(REFERENCE)}").status_code == 500
    with broken("jobs.api.pagination.list_page", fail):
        assert client.get(jobs, {"referenceId": REFERENCE}).status_code == 500


def break_admin(fail: Callable[..., None], project: Any) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(get_user_model().objects.create_superuser(fail.__name__))
    new = {"project": project.pk, "action": "touch", "reference_id": REFERENCE}
    with broken(INSERT, fail):
        assert client.post("/admin/jobs/job/add/", new).status_code == 500
    job = make_job(project=project, reference_id=REFERENCE)
    with broken("jobs.admin.jobs.interventions.InterventionsMixin.call_service", fail):
        assert client.post(f"/admin/jobs/job/{job.pk}/cancel/", {"reason": REFERENCE}).status_code == 500
    with broken("jobs.admin.api_keys.buttons.KeyButtonsMixin.page", fail):
        new_key = {"organization": project.organization.pk, "scopes": ["read"]}
        assert client.post("/admin/jobs/apikey/add/", new_key).status_code == 500
    with broken("django.contrib.admin.templatetags.admin_list.result_headers", fail):
        assert client.get("/admin/jobs/job/").status_code == 500  # while its page is rendered


def break_addresses(project: Any, fail: Callable[..., None]) -> None:
    """Fail where the address of the page, or of the page before it, has the reference."""
    client = Client(raise_request_exception=False)
    client.force_login(get_user_model().objects.create_superuser("searcher"))
    job = make_job(project=project, reference_id=REFERENCE)
    search = f"/admin/jobs/job/?q={quote(REFERENCE)}"
    with broken("jobs.admin.jobs.change_list.search_jobs", fail):
        assert client.get(search).status_code == 500
    with broken("jobs.admin.jobs.detail.timeline_of", fail):
        from_search = {"Referer": f"http://testserver{search}"}
        assert client.get(f"/admin/jobs/job/{job.pk}/change/", headers=from_search).status_code == 500


def break_processes(fail: Callable[..., None], organization: Any) -> None:
    with broken(KEY_PRINTED, fail):
        call("createapikey", organization=organization.name)
    prefix = make_key(organization=organization).key.prefix
    with broken(KEY_PRINTED, fail):
        call("rotateapikey", prefix)

    def work() -> None:
        reference = REFERENCE
        print_nothing(reference)

    with broken(f"{break_processes.__module__}.print_nothing", fail):
        ThreadGroup("trial", on_failure=lambda: None).start(work, "trial").join()


def print_nothing(reference: str) -> None:
    """Is replaced by a function that fails."""


def fail_silently(*_: Any, **__: Any) -> None:
    """Fail with the reference in a local variable, and send no statement with it."""
    reference = REFERENCE
    raise RuntimeError(f"a fault of {len(reference)} characters")


def collect(provoke: Callable[[], None]) -> dict[str, list[str]]:
    """Return the events and the mails of what ``provoke`` does."""
    setup_test_environment()
    handler = AdminEmailHandler(include_html=True)
    handler.setLevel("ERROR")  # as Django's own
    logging.getLogger("django.request").addHandler(handler)
    call_command("migrate", verbosity=0)
    admins = ["root@example.com"] if django.VERSION >= (6, 0) else [("root", "root@example.com")]
    with override_settings(ADMINS=admins):
        provoke()
    mails = [message.message().as_string() + str(message.alternatives) for message in mail.outbox]
    return {"events": events, "mails": mails}


def break_all(*fails: Callable[..., None]) -> None:
    """Let each door fail in each of these ways."""
    project = make_project()
    secret = make_key(organization=project.organization).secret
    sentry_sdk.init(ADDRESS, transport=Kept)
    for fail in fails:
        break_api(fail, project, secret)
        break_admin(fail, project)
        break_processes(fail, project.organization)
    sentry_sdk.init(ADDRESS, transport=Kept, before_send=mask_event)
    break_addresses(project, fails[-1])


if __name__ == "__main__":
    print(json.dumps(collect(lambda: break_all(refuse_statement, refuse_value))))
