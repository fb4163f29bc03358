"""Bulk changes of all jobs that match: confirmed on a page, then made by a job; and who may confirm any."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.core import signing
from django.test import Client, override_settings
from django.utils import timezone

from jobs import conf, get_project_model
from jobs.admin import JobAdmin
from jobs.admin.jobs import bulk, change_list
from jobs.models import ApiKey, Job, Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.services.search.staff_filter import JobFilter
from jobs.status import Status
from jobs.testing import run_due_jobs
from tests.support.admin_client import client_of, make_staff, messages_of, text_of, url
from tests.support.admin_selection import (
    FUTURE,
    MAY_CHANGE,
    PERMISSIONS,
    changeable,
    choose,
    choose_all,
    confirm,
    is_changed,
    requested_change,
)
from tests.support.execution import make_due_jobs
from tests.support.factories import make_job, make_key, make_organization

STAFF_MAY: Final = MAY_CHANGE
pytestmark = pytest.mark.usefixtures("staff_project")


@pytest.mark.parametrize("change", PERMISSIONS)
def test_all_that_match_are_changed_by_a_job_with_the_filter_and_the_newest_id(
    client: Client, user: Any, staff_project: Any, change: str
):
    jobs = [changeable(change, action="touch_once") for _ in range(3)]

    page = choose_all(client, change, *jobs[:1], query="?action=touch_once")
    make_job()
    response = confirm(client, page, reason="the region is down")

    job = Job.objects.get(action="change_jobs")
    order = requested_change()
    assert response.url == url("job_change", job.pk)
    assert job.project_id == staff_project.pk
    assert (order.change, order.wanted) == (change, JobFilter(action="touch_once"))
    assert order.highest_id == jobs[-1].pk
    assert (order.reason, order.staff, order.request_id) == ("the region is down", str(user.pk), "r-1")
    assert not any(is_changed(change, each) for each in jobs)
    assert LogEntry.objects.get().object_id == str(job.pk)


def test_the_receipt_of_that_job_shows_counts_and_no_ids(client: Client):
    confirm(client, choose_all(client, "cancel", *(make_job(due_at=FUTURE) for _ in range(3))))
    job = Job.objects.get(action="change_jobs")

    ran = [each for each in run_due_jobs() if each.pk == job.pk]
    html = text_of(client.get(url("job_change", job.pk)))

    assert [each.status for each in ran] == [Status.COMPLETED]
    assert set(ran[0].receipt["stores"]) == {"cancelled"}
    assert "cancelled" in html
    assert "looked at" not in html


def test_the_page_shows_count_filter_and_why_the_job_would_wait(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk.bulk_change, "MOST_COUNTED", 2)
    jobs = [make_job() for _ in range(3)]

    html = text_of(choose_all(client, "cancel", *jobs, query="?status=scheduled"))
    Worker.objects.create(name="host:1:aaaa", started_at=timezone.now(), beat_at=timezone.now())
    well = text_of(choose_all(client, "cancel", *jobs))
    pause_jobs(reason="rest")
    paused = text_of(choose_all(client, "cancel", *jobs))

    for told in ("<dd>2+</dd>", "<bdi>status: scheduled</bdi>", "no worker"):
        assert told in html
    assert "It will not start yet" not in well
    assert "It will not start yet: " in paused


def test_spans_become_instants(client: Client):
    job = make_job(created_at=timezone.now())

    confirm(client, choose_all(client, "cancel", job, query="?created=1h"))

    since = requested_change().wanted.created_from
    assert since is not None
    assert timedelta(0) < timezone.now() - since - timedelta(hours=1) < timedelta(minutes=5)


def test_a_searched_reference_is_not_stored(client: Client):
    job = make_job(reference_id="shekar@example.com")

    confirm(client, choose_all(client, "cancel", job, query="?q=shekar%40example.com"))

    assert requested_change().wanted == JobFilter(same_as=job.pk)
    assert "shekar" not in str(Job.objects.filter(action="change_jobs").values_list("parameters", "description"))
    assert "shekar" not in str(LogEntry.objects.values_list("object_repr", "change_message"))


def test_if_no_job_can_be_changed_there_is_nothing_to_confirm(client: Client):
    job = make_job(status=Status.COMPLETED)

    page = choose_all(client, "cancel", job)

    assert "No matching job can be changed in this way." in text_of(page)
    assert 'name="asked"' not in text_of(page)


def test_select_all_is_offered_beyond_one_page_with_a_bounded_count(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(change_list, "MOST_ROWS", 55)
    one = text_of(client.get(url("job_changelist")))
    make_due_jobs(56)

    many = text_of(client.get(url("job_changelist")))

    assert "that match" not in one
    assert "Select all 55+ that match" in many


def test_a_host_with_its_own_projects_must_name_one(client: Client, monkeypatch: pytest.MonkeyPatch):
    (job, *_) = make_due_jobs(51)
    monkeypatch.setattr(conf, "DEFAULT_PROJECT_MODEL", "somebody.Else")
    page = choose_all(client, "cancel", job, query="?status=scheduled")

    for settings in ({}, {"STAFF_PROJECT": "unknown"}):
        with override_settings(JOBS=settings):
            html = text_of(client.get(url("job_changelist")))
            response = choose_all(client, "cancel", job)
            too_late = confirm(client, page)

        assert "Select all 51" not in html
        assert "STAFF_PROJECT" in html
        assert "only rows that are ticked can be chosen" in messages_of(response)[-1]
        assert too_late.url == f"{url('job_changelist')}?status=scheduled"
        assert messages_of(too_late)[-1] == (
            "Nothing was changed: JOBS[“STAFF_PROJECT”] no longer names a project for such a job."
        )
    assert not Job.objects.filter(action="change_jobs").exists()


@pytest.fixture
def _no_project_is_named(staff_project: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the host have no projects of its own, nor name one."""
    monkeypatch.setattr(conf, "DEFAULT_PROJECT_MODEL", conf.project_model_label())
    with override_settings(JOBS={}):
        yield


@pytest.mark.usefixtures("_no_project_is_named")
def test_a_host_without_its_own_projects_gets_one_on_first_use(client: Client):
    page = choose_all(client, "cancel", make_job())
    before = get_project_model()._default_manager.filter(name="Staff").count()
    for _ in range(2):
        confirm(client, page)

    project = get_project_model()._default_manager.get(name="Staff")
    assert before == 0
    assert project.organization.name == "Staff"
    assert set(Job.objects.filter(action="change_jobs").values_list("project", flat=True)) == {project.pk}
    assert not ApiKey.objects.exists()


@pytest.mark.usefixtures("_no_project_is_named")
def test_an_organization_named_staff_with_api_keys_is_not_used(client: Client):
    make_key(organization=make_organization(name="Staff"))

    choose_all(client, "cancel", make_job())

    assert not Job.objects.filter(action="change_jobs").exists()


def test_a_hosts_own_queryset_switches_select_all_off(client: Client, monkeypatch: pytest.MonkeyPatch):
    mine, _ = make_job(), make_job()
    monkeypatch.setattr(JobAdmin, "get_queryset", lambda *_: Job.objects.filter(pk=mine.pk), raising=False)

    response = choose_all(client, "cancel", mine)

    assert "only rows that are ticked" in messages_of(response)[0]


@pytest.mark.parametrize("change", PERMISSIONS)
@pytest.mark.parametrize("permission", [*PERMISSIONS.values(), "hold_job"])
@pytest.mark.parametrize("is_all", [False, True])
def test_each_change_has_a_permission_of_its_own(client: Client, change: str, permission: str, is_all: bool):
    job = changeable(change)
    may = PERMISSIONS[change] == permission
    other = client_of(make_staff("view_job", permission))
    offered = f"{change}_selected" in text_of(other.get(url("job_changelist")))

    response = choose(other, change, job, select_across=int(is_all))
    page = choose(client, change, job, select_across=int(is_all))
    taken_over = confirm(other, page)

    assert offered == may
    assert ("asked" in (response.context or {})) == may
    assert taken_over.status_code == 403  # what one has confirmed another cannot send
    assert not is_changed(change, job)
    assert not Job.objects.filter(action="change_jobs").exists()


def test_a_permission_withdrawn_before_the_confirmation_counts(client: Client, user: Any):
    job = make_job()
    pages = [choose(client, "cancel", job), choose_all(client, "cancel", job)]
    user.user_permissions.clear()

    assert [confirm(client, page).status_code for page in pages] == [403, 403]
    assert not is_changed("cancel", job)


def test_the_confirmation_s_address_is_refused_to_everybody_else():
    for who in (None, make_staff(), make_staff("cancel_job")):
        response = client_of(who).post(url("job_bulk"), {"asked": "x"})
        assert response.status_code in (302, 403)
        assert response.status_code == 403 or "/login/" in response.url


def test_a_forged_or_old_confirmation_or_one_by_get_changes_nothing(
    client: Client, user: Any, monkeypatch: pytest.MonkeyPatch
):
    job = make_job()
    asked = {"change": "cancel", "user": str(user.pk), "back": "", "ids": [job.pk]}
    page = choose(client, "cancel", job)
    good = page.context["asked"]

    for forged in ("", "x", good[:-1], f"{good}x", signing.dumps(asked), signing.dumps([], salt=bulk.SALT), "\0"):
        response = client.post(url("job_bulk"), {"asked": forged})
        assert messages_of(response)[-1] == "Nothing was changed: please start again.", forged
    assert client.get(url("job_bulk"), {"asked": good}).url == url("job_changelist")
    monkeypatch.setattr(bulk, "CONFIRM_WITHIN_SECONDS", -1)
    confirm(client, page)

    assert not is_changed("cancel", job)
