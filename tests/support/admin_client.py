"""Staff with exactly the permissions that a test names, and the admin's pages as they see them."""

from datetime import timedelta
from itertools import count
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.models import JobEvent
from tests.support.factories import LONG_AGO

_number: Final = count(1)


def make_staff(*codenames: str, superuser: bool = False) -> Any:
    """Make a member of staff; permissions are named without their app: ``view_job``."""
    user = get_user_model().objects.create_user(
        f"staff-{next(_number)}@example.com", is_staff=True, is_superuser=superuser
    )
    permissions = Permission.objects.filter(content_type__app_label="jobs", codename__in=codenames)
    assert len(permissions) == len(codenames)
    user.user_permissions.set(permissions)
    return user


def client_of(user: Any | None, **how: Any) -> Client:
    client = Client(**how)
    if user is not None:
        client.force_login(user)
    return client


def with_permissions(*codenames: str) -> Client:
    return client_of(make_staff(*codenames))


def url(page: str, *args: Any) -> str:
    """Return the address of a page of the app's admin: ``job_changelist``, ``job_cancel``, …"""
    return reverse(f"admin:jobs_{page}", args=args)


def text_of(response: Any) -> str:
    return response.content.decode()


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def queries_of(client: Client, *addresses: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        for address in addresses:
            assert client.get(address).status_code == 200, address
    return [query["sql"] for query in captured]


def list_of(client: Client, **query: Any) -> Any:
    response = client.get(url("job_changelist"), query)
    assert response.status_code == 200, response
    return response


def listed(client: Client, **query: Any) -> list[int]:
    return [job.pk for job in list_of(client, **query).context["cl"].result_list]


def page_of(client: Client, job: Any, query: str = "") -> str:
    response = client.get(url("job_change", job.pk) + query)
    assert response.status_code == 200
    return text_of(response)


def add_event(job: Any, **what_matters: Any) -> JobEvent:
    columns = {"at": LONG_AGO, "what": "failed", "to_status": "failed", "attempt": 1, "actor": "worker:host:1:aaaa"}
    return JobEvent.objects.create(job=job, **{**columns, **what_matters})


def created_ago(**span: float) -> dict[str, Any]:
    """Return the columns of a job that was created, and due, so long ago."""
    at = timezone.now() - timedelta(**span)
    return {"created_at": at, "start_at": at, "due_at": at}
