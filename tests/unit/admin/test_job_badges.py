"""The columns of the jobs list: why a job waits, its age, its masked reference."""

import re
from datetime import timedelta
from typing import Final

import pytest
from django.test import Client
from django.utils import timezone

from jobs.admin import JobAdmin
from jobs.admin.jobs import change_list
from jobs.models import Job, Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.services.tenants.projects import disable_organization
from tests.support.admin_client import created_ago, list_of, text_of
from tests.support.factories import make_job

STAFF_MAY: Final = ("view_job",)


def beat() -> None:
    Worker.objects.create(name="host:1:aaaa", started_at=timezone.now(), beat_at=timezone.now())


def badges_of(client: Client) -> list[str]:
    return re.findall(r'<span class="jobs-badge[^"]*">([^<]*)</span>', text_of(list_of(client)))


def test_a_badge_says_why_a_job_waits(client: Client):
    beat()
    make_job(**created_ago(minutes=4.2))
    make_job(**created_ago(minutes=12.2))
    make_job(**{**created_ago(minutes=1), "due_at": timezone.now() + timedelta(minutes=3.5)}, attempt=1)
    make_job(**{**created_ago(minutes=1), "due_at": timezone.now() + timedelta(minutes=3)})

    assert badges_of(client) == ["next attempt in 3 min", "late, waiting 12 min", "waiting 4 min"]


def test_a_badge_says_what_keeps_a_due_job_from_running(client: Client):
    _, disabled, _ = (make_job(action=name, **created_ago(minutes=9.2)) for name in ("touch_once", "touch", "touch"))
    pause_jobs(reason="rest", action="touch_once")
    disable_organization(disabled.project.organization.name)

    whys = ("no worker", "organization disabled", "paused")
    assert badges_of(client) == [f"{why}, waiting 9 min" for why in whys]


def test_an_age_is_short_and_has_the_instant_as_tooltip(client: Client):
    job = make_job(**created_ago(days=3, hours=2))

    html = text_of(list_of(client))

    assert f'title="{job.created_at:%Y-%m-%d %H:%M:%S} UTC">3 d ago</time>' in html


def test_a_reference_is_masked_without_its_permission(client: Client):
    make_job(reference_id="shekar@example.com", description="Delete shekar@example.com")

    html = text_of(list_of(client, q="shekar@example.com"))

    assert "s•••••" in html
    assert "shekar@" not in html.replace('value="shekar@example.com"', "").replace("q=shekar", "")


def test_the_list_respects_a_hosts_own_queryset(client: Client, monkeypatch: pytest.MonkeyPatch):
    mine, _ = make_job(), make_job()
    monkeypatch.setattr(JobAdmin, "get_queryset", lambda *_: Job.objects.filter(pk=mine.pk), raising=False)

    page = list_of(client)

    assert [job.pk for job in page.context["cl"].result_list] == [mine.pk]
    assert page.context["cl"].result_count == 1


def test_autocompletion_finds_a_job_by_its_reference():
    job, _ = make_job(reference_id="a"), make_job()

    assert list(change_list.search(Job.objects.all(), "a")) == [job]
