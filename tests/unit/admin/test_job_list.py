"""The jobs list: columns, badges, search, filters, pages and queries."""

import re
from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone

from jobs.admin import JobAdmin
from jobs.admin.base import display
from jobs.admin.jobs import change_list
from jobs.admin.jobs.change_list import search
from jobs.models import Job, Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.services.tenants.projects import disable_organization
from jobs.status import Status
from tests.support.admin_client import created_ago, list_of, listed, text_of, url, with_permissions
from tests.support.concurrency import statements
from tests.support.execution import make_due_jobs
from tests.support.factories import LONG_AGO, make_job

STAFF_MAY: Final = ("view_job", "view_reference")

COLUMNS: Final = ("id", "status", "project", "action", "reference_id", "created_at", "start_at", "attempt")


@pytest.mark.parametrize("column", range(len(COLUMNS) + 3))
def test_columns_without_an_index_do_not_sort(client: Client, column: int):
    make_job(created_at=LONG_AGO + timedelta(hours=1), action="a", reference_id="a")
    make_job(created_at=LONG_AGO, action="b", reference_id="b")

    orders = [sql.rpartition("ORDER BY")[2] for sql in queries_of(client, o=str(column)) if 'FROM "jobs_job"' in sql]

    assert not any(f'"{name}"' in order for order in orders for name in COLUMNS[1:])


def test_the_list_shows_the_newest_first_with_all_columns_and_what_is_searched(client: Client):
    first, job = make_job(), make_job(status=Status.FAILED, reference_id="shekar@example.com")

    html = text_of(client.get(url("job_changelist")))

    assert listed(client) == [job.pk, first.pk]
    project = str(job.project)
    expected = {str(job.pk), "✗", "failed", project, "touch", "shekar@example.com", "2025-01-01 12:00:00"}
    assert {text for text in expected if text in html} == expected
    assert "by their whole reference, exactly as it was sent" in html


def test_status_is_a_word_with_a_mark_and_a_filter_for_every_status(client: Client):
    jobs = {status: make_job(status=status) for status in Status}

    html = text_of(client.get(url("job_changelist")))

    for status, job in jobs.items():
        assert f'<span aria-hidden="true">{display.STATUS_MARKS[status]}</span> {status}</span>' in html
        assert listed(client, status=status.value) == [job.pk]


def test_search_finds_exact_references_over_all_projects_and_a_number_is_an_id_or_a_reference(client: Client):
    names = ("a@example.com", "a@example.com", "aa@example.com", " spaced ")
    first, second, by_id, spaced = (make_job(reference_id=name) for name in names)
    by_reference = make_job(reference_id=str(by_id.pk))

    assert listed(client, q=" a@example.com") == [second.pk, first.pk]
    assert listed(client, q=" spaced ") == [spaced.pk]
    assert listed(client, q="a@example") == listed(client, q="A@example.com") == []
    assert listed(client, q=str(by_id.pk)) == [by_reference.pk, by_id.pk]
    assert listed(client, q=str(spaced.pk)) == [spaced.pk]


@pytest.mark.parametrize(
    "term",
    [
        *(
            "9223372036854775807",
            "9223372036854775808",
            "1" * 300,
            "0",
            "-1",
            "１２",
            "1e3",
            "%",
            "'",
            "\\",
            "�",
            "x" * 5000,
        )
    ],
)
def test_search_for_what_cannot_exist_finds_nothing(client: Client, term: str):
    make_job()

    assert listed(client, q=term) == []


def test_a_search_for_nul_is_refused(client: Client):
    make_job(reference_id="ab")

    response = client.get(url("job_changelist"), {"q": "a\0b"})

    assert response.status_code == 200
    assert "Null characters are not allowed." in text_of(response)


def test_filters_and_search_go_together_and_an_action_need_not_be_registered(client: Client):
    wanted = make_job(status=Status.FAILED, reference_id="a")
    make_job(reference_id="a")
    make_job(status=Status.FAILED, reference_id="b")
    registered, former = make_job(action="touch_once"), make_job(action="a_former_action")

    assert listed(client, status="failed", action="touch", q="a") == [wanted.pk]
    assert listed(client, action="touch_once") == [registered.pk]
    assert listed(client, action="a_former_action") == [former.pk]


def test_the_filters_offer_the_statuses_and_the_registered_actions(client: Client):
    filters = client.get(url("job_changelist")).context["cl"].filter_specs

    offered = {spec.parameter_name: [value for value, _ in spec.lookup_choices] for spec in filters}
    assert offered["status"] == [status.value for status in Status]
    assert {"touch", "touch_once"} <= set(offered["action"])


@pytest.mark.parametrize(
    "lookup", ["reference_id__icontains", "description__regex", "project__name", "worker", "id__in"]
)
def test_other_lookups_in_an_address_are_refused(client: Client, lookup: str):
    response = client.get(url("job_changelist"), {lookup: "1"})

    assert response.status_code == 400


def queries_of(client: Client, **query: Any) -> list[str]:
    with statements() as sent:
        listed(client, **query)
    return sent


def test_the_list_takes_the_same_number_of_queries_for_any_number_of_rows_and_reads_no_long_texts(client: Client):
    make_job()
    listed(client)
    few = queries_of(client)
    for _ in range(8):
        make_job()

    many = queries_of(client)

    assert len(many) == len(few)
    # The session, the user, two sorts of permissions, the clock, the ids of all pages, the rows of one,
    # and why they wait: disabled organizations, pauses, the last beat. PostgreSQL: a transaction and its settings, too.
    assert len(many) <= 15
    assert len([sql for sql in many if f"LIMIT {change_list.MOST_ROWS + 1}" in sql]) == 1
    (page,) = (sql for sql in many if '"jobs_job"."reference_id"' in sql)
    assert not [name for name in ("description", "errors", "parameters", "receipt") if f'"{name}"' in page]


def test_the_list_shows_the_number_of_jobs_and_above_the_limit_that_there_are_more(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(change_list, "MOST_ROWS", 60)
    make_due_jobs(60)
    within = text_of(client.get(url("job_changelist")))
    make_job()

    first, last, beyond = (client.get(url("job_changelist"), {"p": page}) for page in (1, 2, 3))

    assert "60 jobs" in within
    assert "There are more" not in within
    assert "more than these 60" in text_of(first)
    assert len(last.context["cl"].result_list) == 10
    assert beyond.status_code == 302


@pytest.mark.parametrize("page", ["0", "-1", "99999999999999999999", "x", "1.5"])
def test_a_page_number_out_of_range_is_no_error(client: Client, page: str):
    make_due_jobs(2)

    assert client.get(url("job_changelist"), {"p": page}).status_code in (200, 302)


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


def test_without_the_permission_a_search_confirms_no_guess_of_a_reference():
    numbered = make_job(reference_id="12345")
    job = make_job(reference_id="shekar@example.com", project=numbered.project)
    client = with_permissions("view_job", "cancel_job")

    for guess in ("shekar@example.com", " shekar@example.com ", "12345"):
        assert listed(client, q=guess) == []
    assert listed(client, q=str(job.pk)) == [job.pk]
    assert listed(with_permissions("view_job", "view_reference"), q="12345") == [numbered.pk]
    assert not search(Job.objects.all(), "12345", may_see_references=False)


def test_a_reference_is_masked_without_its_permission():
    make_job(reference_id="shekar@example.com", description="Delete shekar@example.com")

    html = text_of(list_of(with_permissions("view_job")))

    assert "s•••••" in html
    assert "shekar@" not in html


def test_the_list_respects_a_hosts_own_queryset(client: Client, monkeypatch: pytest.MonkeyPatch):
    mine, _ = make_job(), make_job()
    monkeypatch.setattr(JobAdmin, "get_queryset", lambda *_: Job.objects.filter(pk=mine.pk), raising=False)

    page = list_of(client)

    assert [job.pk for job in page.context["cl"].result_list] == [mine.pk]
    assert page.context["cl"].result_count == 1


def test_autocompletion_finds_a_job_by_its_reference():
    job, _ = make_job(reference_id="a"), make_job()

    assert list(search(Job.objects.all(), "a", may_see_references=True)) == [job]
