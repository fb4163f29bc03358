"""What the jobs list says of each job: what it waits for, how old it is, how far it has come, whom it is about."""

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
from tests.support.admin_client import text_of
from tests.support.factories import make_job
from tests.unit.admin.test_job_filters import ago, page_of

STAFF_MAY: Final = ("view_job",)


def beat(**span: float) -> None:
    now = timezone.now()
    Worker.objects.create(name="host:1:aaaa", started_at=now, beat_at=now - timedelta(**span))


def badges_of(client: Client) -> list[str]:
    return re.findall(r'<span class="jobs-badge[^"]*">([^<]*)</span>', text_of(page_of(client)))


def test_a_badge_says_what_a_job_waits_for(client: Client):
    beat()
    make_job(**ago(minutes=4.2))
    make_job(**ago(minutes=12.2))
    make_job(**{**ago(minutes=1), "due_at": timezone.now() + timedelta(minutes=3.5)}, attempt=1)
    make_job(**{**ago(minutes=1), "due_at": timezone.now() + timedelta(minutes=3)})

    assert badges_of(client) == ["next attempt in 3 min", "late, waiting 12 min", "waiting 4 min"]


def test_a_badge_says_what_holds_a_job_back(client: Client):
    paused, disabled = make_job(action="touch_once", **ago(minutes=9.2)), make_job(**ago(minutes=9.2))
    pause_jobs(reason="rest", action="touch_once")
    disable_organization(disabled.project.organization.name)
    other = make_job(**ago(minutes=9.2))

    assert badges_of(client) == [
        "no worker, waiting 9 min",
        "organization disabled, waiting 9 min",
        "paused, waiting 9 min",
    ]
    assert other.pk > paused.pk


def test_ages_are_short_and_tell_the_instant_on_demand(client: Client):
    job = make_job(**ago(days=3, hours=2))

    html = text_of(page_of(client))

    assert f'title="{job.created_at:%Y-%m-%d %H:%M:%S} UTC">3 d ago</time>' in html


def test_a_reference_is_masked_for_those_who_may_not_see_it(client: Client):
    make_job(reference_id="shekar@example.com", description="Delete shekar@example.com")

    html = text_of(page_of(client, q="shekar@example.com"))

    assert "s•••••" in html
    assert "shekar@" not in html.replace('value="shekar@example.com"', "").replace("q=shekar", "")


def test_a_host_that_shows_its_staff_some_jobs_only_is_heeded(client: Client, monkeypatch: pytest.MonkeyPatch):
    mine, _ = make_job(), make_job()
    monkeypatch.setattr(JobAdmin, "get_queryset", lambda *_: Job.objects.filter(pk=mine.pk), raising=False)

    page = page_of(client)

    assert [job.pk for job in page.context["cl"].result_list] == [mine.pk]
    assert page.context["cl"].result_count == 1


def test_a_job_can_be_chosen_by_its_reference_elsewhere():
    job, _ = make_job(reference_id="a"), make_job()

    assert list(change_list.search(Job.objects.all(), "a")) == [job]
