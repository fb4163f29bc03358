"""The site's own pages."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import DatabaseError, connection
from django.template.loader import render_to_string
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from jobs.status import Status
from jobsite import views
from tests.support.execution import make_due_jobs
from tests.support.factories import make_job, make_project
from tests.support.source import ROOT

pytestmark = pytest.mark.django_db

IN_THE_DEMO = override_settings(DEMO_PROJECT_KEY="3sWXSsqHgSKnE87YkNJK")
PAGES = sorted(path.name for path in (ROOT / "templates").glob("???.html"))


def test_the_landing_page_says_how_to_call_the_api_and_names_no_project_and_no_person(client: Client):
    job = make_job(status=Status.RUNNING)

    page = client.get("/").content.decode()

    assert "BASE=http://testserver/public/YOUR_PROJECT_KEY" in page
    assert "Authorization: Bearer" in page
    assert 'href="/admin/"' in page
    assert job.project.key not in page
    assert job.reference_id not in page


@IN_THE_DEMO
def test_in_the_demo_the_landing_page_names_its_project(client: Client):
    page = client.get("/").content.decode()

    assert "BASE=http://testserver/public/3sWXSsqHgSKnE87YkNJK" in page
    assert 'href="/public/3sWXSsqHgSKnE87YkNJK/jobs"' in page


def test_without_the_demo_the_landing_page_tells_no_counts_and_asks_the_database_nothing(client: Client):
    make_job(status=Status.FAILED)

    with CaptureQueriesContext(connection) as queries:
        page = client.get("/").content.decode()

    assert len(queries) == 0
    assert "Right now" not in page


@IN_THE_DEMO
def test_the_landing_page_counts_the_jobs_in_two_queries(client: Client):
    project = make_project()
    for status in (*Status, Status.FAILED):
        make_job(status=status, project=project)

    with CaptureQueriesContext(connection) as queries:
        page = client.get("/").content.decode()

    assert len(queries) == 2
    assert re.search(r"<dt>failed</dt><dd>2</dd>", page)
    assert re.search(r"<dt>workers</dt><dd>0</dd>", page)


@IN_THE_DEMO
def test_counting_stops_early(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(views, "COUNTED", 3)
    make_due_jobs(4)

    page = client.get("/").content.decode()

    assert "<dt>scheduled</dt><dd>2+</dd>" in page
    assert "<dt>running</dt><dd>0</dd>" in page


@IN_THE_DEMO
def test_the_landing_page_stays_up_without_its_database(client: Client, monkeypatch: pytest.MonkeyPatch):
    def fail() -> int:
        raise DatabaseError

    monkeypatch.setattr(views, "_count_jobs", fail)

    answer = client.get("/")

    assert answer.status_code == 200
    assert "Right now" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/no-such-page"])
def test_every_page_forbids_foreign_and_inline_content(client: Client, path: str):
    policy = client.get(path).headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("template", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_no_template_has_what_the_policy_forbids(template: Path):
    text = template.read_text()

    assert not re.search(r"<style|<script|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)


@pytest.mark.parametrize("name", ["site.css", "admin.css", "favicon.svg"])
def test_static_files_are_served_without_a_build_step(client: Client, name: str):
    assert finders.find(f"jobsite/{name}")

    answer = client.get(f"/static/jobsite/{name}")

    assert answer.status_code == 200
    assert b"".join(answer.streaming_content)  # to its end, where the client closes it and leaves the database alone


def test_browsers_find_the_icon(client: Client):
    answer = client.get("/favicon.ico")

    assert answer.headers["Location"] == "/static/jobsite/favicon.svg"


def test_an_unknown_page_looks_like_the_site(client: Client):
    answer = client.get("/no-such-page")

    assert answer.status_code == 404
    assert "Nothing is here" in answer.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_of_errors_need_no_context(name: str):
    assert "To the start page" in render_to_string(name)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_landing_page_can_only_be_read(client: Client, method: str):
    assert getattr(client, method)("/").status_code == 405
