"""Opens every page of a host's admin, and cancels a job there: ``staff.py SETTINGS LANGUAGE``."""

import os
import sys
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = sys.argv[1]
django.setup()

from django.contrib.admin.models import LogEntry  # noqa: E402 – only now can models be imported
from django.contrib.auth import get_user_model  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from jobs import schedule_job  # noqa: E402
from jobs.models import ApiKey, Job, Organization  # noqa: E402


def open_page(client: Client, page: str, *args: Any) -> None:
    """Open a page, which must be there in the host's language."""
    response = client.get(reverse(f"admin:jobs_{page}", args=args))
    assert response.status_code == 200, (page, response.status_code)
    assert f'lang="{sys.argv[2]}"' in response.content.decode(), page


def open_all_pages(client: Client) -> None:
    for page in ("job", "apikey", "organization", "pause"):
        open_page(client, f"{page}_changelist")
        open_page(client, f"{page}_add")
    open_page(client, "job_overview")
    for model in (Job, ApiKey, Organization):
        for row in model._default_manager.all():
            open_page(client, f"{model._meta.model_name}_change", row.pk)
            open_page(client, f"{model._meta.model_name}_history", row.pk)


def cancel(client: Client, user: Any) -> None:
    """Cancel a job, and check who is recorded for it."""
    project = Job.objects.first().project
    job = schedule_job("delete_user_data", project=project, reference_id="late@example.com")
    response = client.post(reverse("admin:jobs_job_cancel", args=[job.pk]), {"reason": "a mistake"})
    assert response.status_code == 302, response.status_code
    job.refresh_from_db()
    event = job.events.get(to_status="cancelled")
    assert (job.status, event.actor, event.note) == ("cancelled", f"staff:{user.pk}", "a mistake")
    assert LogEntry.objects.get(user=user).object_id == str(job.pk)


user = get_user_model().objects.create_superuser("staff", password="only for tests")
client = Client()
client.force_login(user)
open_all_pages(client)
cancel(client, user)
open_all_pages(client)
print("kept")
