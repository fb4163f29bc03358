"""The overview: its texts, links and queries."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from django.test import Client, override_settings

from jobs.models import Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.services.reports import overview as reads
from jobs.services.tenants.projects import disable_organization
from jobs.stats import rollup
from jobs.status import Status
from tests.support.admin_client import client_of, make_staff, queries_of, text_of, url
from tests.support.admin_overview import MINUTE, make_history, page_of, words_of
from tests.support.ended_jobs import make_ended
from tests.support.execution import make_due_jobs
from tests.support.factories import make_job, make_project, make_running_job
from tests.support.source import ROOT

STAFF_MAY: Final = ("view_job",)

OVERVIEW: Final = ROOT / "jobs/templates/admin/jobs/job/overview.html"


SCRIPT: Final = "<script>alert(1)</script>"


def make_worker(beat_at: datetime, **columns: Any) -> None:
    Worker.objects.create(**{"name": "host:1:aaaa", "started_at": beat_at, "beat_at": beat_at, **columns})


RIGHT_TO_LEFT: Final = "\u202egnol"


def test_list_and_job_page_link_to_the_overview_and_its_breadcrumbs_end_with_its_name(client: Client):
    for page in (url("job_changelist"), url("job_change", make_job().pk)):
        assert f'href="{url("job_overview")}"' in text_of(client.get(page))
    # What stands between them is drawn by the style sheet since Django 6.1.
    assert re.search(r"Home (› )?Jobs (› )?Jobs (› )?Overview", words_of(page_of(client)))


def test_the_overview_links_to_jobs_and_lists(client: Client, now: datetime):
    failed = make_ended(now, status=Status.FAILED)
    due = make_job(due_at=now - 10 * MINUTE)

    html = page_of(client)

    for job in (failed, due):
        assert f'href="{url("job_change", job.pk)}"' in html
    for status in Status:
        assert f'href="{url("job_changelist")}?status={status.value}"' in html


@pytest.mark.parametrize("query", [{"span": "8d"}, {"span": SCRIPT}, {"refresh": "1"}, {"refresh": SCRIPT}, {"x": "y"}])
def test_unknown_query_values_are_replaced_by_defaults(client: Client, query: dict[str, str]):
    html = page_of(client, **query)

    assert '<a href="?span=24h" aria-current="page">' in html
    assert "data-seconds" not in html
    assert SCRIPT not in html


def test_span_and_refreshing_are_part_of_the_address_and_without_javascript_refreshing_is_not_offered(client: Client):
    html = page_of(client, span="1h", refresh="30")

    assert '<a href="?span=1h&amp;refresh=30" aria-current="page">Last hour</a>' in html
    assert '<a href="?span=7d&amp;refresh=30">Last 7 days</a>' in html
    assert re.search(r'<a id="jobs-overview-toggle" href="\?span=1h" hidden data-seconds="30">', html)
    assert re.search(r'<a id="jobs-overview-toggle" href="\?span=24h&amp;refresh=30" hidden>', page_of(client))


def test_an_empty_site_has_texts_for_every_section(client: Client):
    words = words_of(page_of(client))

    expected = {
        "No worker is alive: none has sent a heartbeat in the last 1 min.",
        "No job has ended since",
        "No worker has been seen for a day. Jobs wait until one is started: manage.py jobworker",
        "No job has failed.",
        "Nothing is paused.",
    }
    assert {text for text in expected if text in words} == expected
    assert "None" not in words


def test_with_a_live_worker_all_is_well(client: Client, now: datetime):
    make_worker(now)

    words = words_of(page_of(client))

    assert "All is well" in words
    assert "host:1:aaaa ● alive" in words


def test_dispatchers_are_listed_apart_from_workers(client: Client, now: datetime):
    make_worker(now - 5 * MINUTE, name="host:2:bbbb", kind=Worker.Kind.DISPATCHER)

    words = words_of(page_of(client))

    assert "No worker is alive" in words
    assert "Dispatchers, which dispatch jobs to an engine, with their last heartbeat: host:2:bbbb" in words
    assert "host:2:bbbb , 5 min ago" in words
    assert "silent" not in words


@override_settings(JOBS={"TASK_BACKEND": "default"})
def test_without_a_dispatcher_an_engine_s_jobs_are_a_problem(client: Client, now: datetime):
    make_worker(now, kind=Worker.Kind.ENGINE)

    words = words_of(page_of(client))

    assert "No dispatcher is alive, so no job is dispatched to its engine." in words
    assert "All is well" not in words


def test_problems_are_sentences(client: Client, now: datetime):
    project = make_project()
    late = make_job(project=project, due_at=now - 8 * MINUTE)
    lost = make_running_job(project=project, lease_expires_at=now - 10 * MINUTE)
    for _ in range(11):
        make_ended(now, project=project, status=Status.FAILED)

    words = words_of(page_of(client))

    assert f"Job {late.pk} (touch) should have started 8 min ago; 5 min would be usual at most." in words
    assert "No worker is alive" in words
    assert "1 job was lost by its worker and has not been rescued." in words
    assert "11 jobs failed in the last hour." in words
    assert "All is well" not in words
    assert f"{lost.worker} ○ silent none recorded" in words


def test_counts_by_status_are_bounded(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.services.reports.overview.MOST_COUNTED", 3)
    monkeypatch.setattr("jobs.admin.jobs.overview.MOST_COUNTED", 3)
    make_due_jobs(4)
    for _ in range(3):
        make_running_job()

    assert "3+ ○ scheduled 3 ▶ running 0 ✓ completed" in words_of(page_of(client))


def test_the_oldest_paused_job_is_listed_apart_and_jobs_of_a_disabled_organization_count_as_paused(
    client: Client, now: datetime
):
    disabled = make_job(due_at=now - 20 * MINUTE)
    disable_organization(disabled.project.organization.name)
    words = words_of(page_of(client))
    paused = make_job(due_at=now - 90 * MINUTE)
    pause_jobs(reason="The index is rebuilt", action="touch")

    with_pause = words_of(page_of(client))

    assert f"paused {disabled.pk}" in words
    assert "should have started" not in words
    assert f"Oldest job that is due but paused {paused.pk} touch , overdue for 1 h 30 min" in with_pause
    assert "jobs of action touch The index is rebuilt" in with_pause


def test_workers_are_listed_with_their_jobs(client: Client, now: datetime):
    make_worker(now - 5 * MINUTE)
    actions = ["about_to", *["touch"] * 6]
    jobs = [make_running_job(action=name, worker="host:1:aaaa", begun_at=now - 3 * MINUTE) for name in actions]

    words = words_of(page_of(client))

    assert "host:1:aaaa ○ silent 5 min ago" in words
    assert f"{jobs[0].pk} about_to , for 3 min" in words
    assert "and 2 more" in words
    assert f"{jobs[5].pk} touch" not in words


def test_a_failure_hides_its_reference_from_everybody_and_a_long_error_is_cut(now: datetime):
    told = "The store refused Ana@Example.com twice.\nTraceback of ana@example.com"
    job = make_ended(now, status=Status.FAILED, reference_id="ana@example.com", errors=told)
    make_ended(now, status=Status.FAILED, errors="x" * 10_000)

    html = page_of(client_of(make_staff(superuser=True)))

    assert f"{job.pk}</a>" in html
    assert "The store refused ••••• twice." in html
    assert "example.com</bdi>" not in html
    assert "Traceback" not in html
    assert "ana@" not in html.lower()
    assert f">{'x' * 200}…<" in html


def test_the_page_says_if_not_all_jobs_are_counted_yet(client: Client, now: datetime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "MOST_UNCOUNTED", 3)
    for _ in range(5):
        make_ended(now)

    assert "are not all counted yet" in words_of(page_of(client))


def test_texts_of_users_are_escaped_and_isolated(client: Client, now: datetime):
    project = make_project(name=f"{SCRIPT}{RIGHT_TO_LEFT}")
    make_ended(now, status=Status.FAILED, action=SCRIPT, errors=f"{SCRIPT}{RIGHT_TO_LEFT}", project=project)
    make_job(project=project, action=SCRIPT, due_at=now - 20 * MINUTE)
    make_running_job(project=project, action=SCRIPT, worker=SCRIPT)
    pause_jobs(reason=f"{SCRIPT}=cmd()", project=make_project())

    html = page_of(client)

    escaped = "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert SCRIPT not in html
    assert html.count(escaped) >= 8
    for text in re.findall(rf"(?:<bdi[^>]*>[^<]*|[^<>]*){re.escape(escaped)}", html):
        assert text.startswith("<bdi"), text


TEMPLATES: Final = [*ROOT.glob("jobs/templates/admin/jobs/job/overview*/*.html"), OVERVIEW]
NOT_READ: Final = (
    r"{% block bodyclass.*?endblock %}|{% blocktranslate.*?{% endblocktranslate %}"
    r"|{%.*?%}|{{.*?}}|{#.*?#}|<code>.*?</code>|<[^>]*>|&\w+;"
)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_text_of_the_overview_is_translated(template: Path):
    assert not re.findall(r"\w+", re.sub(NOT_READ, " ", template.read_text(), flags=re.DOTALL))


def test_the_overview_takes_the_same_number_of_queries_for_any_data(client: Client, now: datetime):
    pause_jobs(reason="Wait", project=make_project())
    page_of(client)
    few = queries_of(client, url("job_overview"))
    make_history(now)
    for number in range(30):
        make_worker(now, name=f"w{number}")
        make_running_job(worker=f"w{number}")
        pause_jobs(reason="Wait", project=make_project())
    while rollup.roll_up():
        pass

    many = queries_of(client, url("job_overview"))

    assert len(many) == len(few)
    assert len(many) <= 27


def test_the_overview_is_small_and_not_cached_and_allows_get_and_head_only(client: Client, now: datetime):
    make_history(now)

    response = client.get(url("job_overview"), {"span": "7d"})

    assert "no-store" in response["Cache-Control"]
    assert len(response.content) < 100_000
    assert client.head(url("job_overview")).status_code == 200
    assert client.post(url("job_overview")).status_code == 405
