"""The filters of the jobs list, their counts, and the links of the list."""

import re
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client

from jobs import get_project_model
from jobs.services.search import facets, staff_search
from jobs.status import Status
from tests.support.admin_client import client_of, created_ago, list_of, listed, make_staff, text_of, url
from tests.support.concurrency import statements
from tests.support.execution import ANA
from tests.support.factories import make_job, make_project

STAFF_MAY: Final = ("view_job",)

MINUTE: Final = timedelta(minutes=1)
TIMES: Final = ("created_at", "start_at", "due_at", "started_at")


@pytest.mark.parametrize(("value", "hours"), [("1h", 1), ("24h", 24), ("7d", 168), ("30d", 720)])
def test_filter_by_creation_and_first_claim(client: Client, value: str, hours: int):
    inside, outside = created_ago(hours=hours - 0.5), created_ago(hours=hours + 0.5)
    wanted = make_job(status=Status.FAILED, **inside, started_at=inside["created_at"])
    make_job(status=Status.FAILED, **outside, started_at=outside["created_at"])
    make_job(**outside)

    assert listed(client, created=value) == [wanted.pk]
    assert listed(client, started=value) == [wanted.pk]


def test_filter_by_two_attempts_or_more_by_project_or_by_a_job_s_reference_without_naming_it(client: Client):
    once, twice, other = make_job(reference_id=ANA), make_job(attempt=2, reference_id=ANA), make_job()

    html = text_of(list_of(client, same_as=once.pk))

    assert listed(client, attempts="2") == [twice.pk]
    assert listed(client, project=str(other.project_id)) == [other.pk]
    assert listed(client, same_as=once.pk) == [twice.pk, once.pk]
    assert "as of job" in html
    assert ANA not in html


def test_late_jobs_are_ordered_by_how_late_they_are(client: Client):
    late, later = make_job(**created_ago(minutes=6)), make_job(**created_ago(minutes=8))
    make_job(**created_ago(minutes=4))
    make_job(status=Status.FAILED, **created_ago(minutes=9))

    assert listed(client, late="1") == [later.pk, late.pk]


@pytest.mark.parametrize("name", ["created", "started", "attempts", "late", "project", "same_as", "status", "action"])
def test_a_filter_value_that_cannot_match_shows_no_jobs(client: Client, name: str):
    make_job(attempt=2)

    for value in ("x", "", "\0", "-1", "9" * 30, "1.5", "x" * 300):
        assert listed(client, **{name: value}) == [], value


def test_the_form_for_a_project_keeps_the_other_filters_and_without_permission_an_id_is_typed(client: Client):
    html = text_of(list_of(client, status="failed", q="a", before="5", p="1"))

    (filter_,) = re.findall(r'<div class="jobs-project-filter">.*?</div>', html, re.DOTALL)
    of_form = 'form="jobs-project-filter"'
    sent = re.findall(rf'type="hidden" name="(\w+)" value="(\w+)" {of_form}', filter_)
    assert sent == [("status", "failed"), ("q", "a")]
    assert re.search(rf'<input type="text" name="project"[^>]* {of_form}', filter_)
    assert re.search(rf'<button type="submit"[^>]* {of_form}', filter_)
    # Not within a form of a theme's.
    assert html.count('<form id="jobs-project-filter" method="get"></form>') == 1
    assert "admin-autocomplete" not in html


def test_a_project_is_completed_where_the_admin_can_search_them():
    user = make_staff("view_job")
    model = get_project_model()
    user.user_permissions.add(Permission.objects.get(codename=f"view_{model._meta.model_name}"))
    chosen, other = make_project(), make_project()

    html = text_of(list_of(client_of(user), project=str(chosen.pk)))

    if admin.site.is_registered(model):
        assert 'class="admin-autocomplete"' in html
        assert "autocomplete.js" in html
    assert str(chosen) in html
    assert str(other) not in html


def test_a_partial_search_says_where_it_ended_and_links_to_the_rest(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(staff_search, "WINDOW", 2)
    jobs = [make_job(attempt=2) for _ in range(3)]

    page = list_of(client, attempts="2", status="scheduled")
    (older,) = re.findall(r'<a href="(\?[^"]*before=[^"]*)">Search older ones', text_of(page))
    last = client.get(url("job_changelist") + older.replace("&amp;", "&"))

    assert "Searched the newest 2 jobs only, created since" in text_of(page)
    assert [job.pk for job in last.context["cl"].result_list] == [jobs[0].pk]
    assert "status=scheduled" in older
    assert "Searched the newest" not in text_of(last)


def test_only_links_to_pages_continue_a_partial_search(client: Client):
    jobs = [make_job(attempt=2) for _ in range(60)]

    html = text_of(list_of(client, attempts="2", before=str(jobs[-1].pk)))

    before = f"before={jobs[-1].pk}"
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(\?[^"]*)"', html)]
    assert [link for link in links if before in link and "p=" not in link] == []
    assert any(before in link and "p=2" in link for link in links)
    assert 'name="before"' not in html


def count_of(client: Client, choice: str, **query: Any) -> str:
    html = text_of(list_of(client, _facets="True", **query))
    (count,) = re.findall(rf">\s*{re.escape(choice)} \(([^)]*)\)", html)
    return count


def test_a_choice_counts_what_it_would_show_with_the_other_filters(client: Client):
    for attempt in (1, 2):
        make_job(status=Status.FAILED, attempt=attempt, action="touch_once", **created_ago(hours=2))
    make_job(**created_ago(minutes=10))

    for choice, others, count in (
        ("failed", {}, "2"),
        ("scheduled", {}, "1"),
        ("scheduled", {"status": "failed"}, "1"),
        ("failed", {"attempts": "2"}, "1"),
        ("2 or more", {}, "1"),
        ("touch_once", {"status": "failed"}, "2"),
        ("touch_once", {"status": "scheduled"}, "0"),
        ("due for 5 minutes or longer", {}, "1"),
        ("due for 5 minutes or longer", {"status": "failed"}, "0"),
    ):
        assert count_of(client, choice, **others) == count, (choice, others)
    assert len(re.findall(r"last hour \(1\)", text_of(list_of(client, _facets="True")))) == 1
    uncounted = text_of(list_of(client))
    assert "scheduled (1)" not in uncounted
    assert "Show counts" in uncounted


def test_a_choice_s_count_above_the_bound_ends_with_a_plus(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(facets, "MOST_COUNTED", 2)
    monkeypatch.setattr(facets, "SAMPLE", 3)
    for _ in range(4):
        make_job(action="touch_once", attempt=2)

    assert count_of(client, "scheduled") == "2+"
    assert count_of(client, "2 or more") == "3+"
    assert count_of(client, "failed") == "0"


QUERIES: Final[list[dict[str, str]]] = [
    {}, {"status": "failed"}, {"action": "touch"}, {"created": "1h"}, {"started": "7d"}, {"attempts": "2"},
    {"late": "1"}, {"q": "a"}, {"q": "1"}, {"status": "failed", "created": "24h", "attempts": "2"},
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_no_count_of_list_or_facets_is_unbounded(client: Client, query: dict[str, str]):
    job = make_job()

    with statements() as sent:
        list_of(client, _facets="True", **query)
        list_of(client, _facets="True", same_as=str(job.pk), **query)

    about_jobs = [sql for sql in sent if '"jobs_job"' in sql]
    # A word is no id, and who may not see references finds nothing by one.
    assert any("COUNT" in sql for sql in about_jobs) == (query != {"q": "a"})
    for sql in about_jobs:
        assert "DISTINCT" not in sql
        assert "COUNT" not in sql or "LIMIT" in sql.rpartition("ORDER BY")[2], sql
        # What has no LIMIT names its rows by id.
        assert "LIMIT" in sql or '"id" = ' in sql or '"id" IN (' in sql, sql
