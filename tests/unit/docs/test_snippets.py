"""The code in the README, on the home page and in the reference does what the pages say."""

import re

import pytest

from jobs.models import Job
from jobs.signals import job_finished
from jobs.testing import make_job, make_project, run_due_jobs
from jobsite.models import Session
from tests.support.doc_pages import PAGES, load, load_actions, snippets
from tests.support.hostapp.models import Invoice
from tests.support.sessions import record_sessions
from tests.support.source import ROOT

# The tests that run snippets.
RUNNERS = (
    *("unit/docs/test_how_to", "unit/docs/test_snippets", "integration/testing", "support/themes", "support/page_host"),
    "integration/docs/test_erase_map",
    *(f"system/hosts/test_{name}" for name in ("project_model", "project_with_rows", "remove")),
)

pytestmark = pytest.mark.django_db


def test_every_snippet_is_run_by_a_test():
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.as_posix().split("tests/")[-1].startswith(RUNNERS)]
    source = "".join(path.read_text() for path in files).replace("PAGE,", '"project-model",')
    run = set(re.findall(r'"([a-z-]+)",\s*"((?:shop/|settings\.py)[^"]*)"', source))
    run |= {("project-model", title) for title in re.findall(r'"(shop/models\.py: [a-z ]+)"', source)}
    run |= {(page, "shop/job_actions.py") for page in ("index", "actions")}  # by `load_actions`
    shapes = {"imports", *re.findall(r'\bshape\("([a-z]+)"', source)}
    run |= {("erase-map", title) for title in snippets("erase-map") if title.partition(": ")[2] in shapes}

    assert {(page, title) for page in PAGES if page != "README" for title in snippets(page)} == run


@pytest.mark.parametrize("page", ["README", "index"])
def test_the_erase_of_a_first_page_erases_this_user_and_no_other(page: str, monkeypatch: pytest.MonkeyPatch):
    project = make_project()
    for user in ("shekar@example.com", "mehdi@example.com"):
        record_sessions(project, user, 2)
    load_actions(page, monkeypatch)
    make_job("delete_user_data", project=project, reference_id="shekar@example.com")

    (job,) = run_due_jobs()

    assert job.status == "completed"
    assert set(Session.objects.values_list("user_id", flat=True)) == {"mehdi@example.com"}


def test_the_archive_of_the_reference_archives_the_year(monkeypatch: pytest.MonkeyPatch):
    Invoice.objects.bulk_create(Invoice(year=year) for year in ["2024", "2024", "2025"])
    load_actions("actions", monkeypatch)
    make_job("archive_invoices", reference_id="2024")

    (job,) = run_due_jobs()

    assert job.status == "completed"
    assert job.receipt["stores"]["invoices"] == {"found": None, "done": 2, "left": 0}
    assert list(Invoice.objects.filter(archived=False).values_list("year", flat=True)) == ["2025"]


def test_the_receiver_of_the_reference_is_connected(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job_finished, "receivers", [])
    monkeypatch.setattr(job_finished, "sender_receivers_cache", {})
    module = load("signals", "shop/receivers.py", monkeypatch)

    assert job_finished.has_listeners(Job)
    make_job("touch")
    (job,) = run_due_jobs()

    module.tell_the_customer(job=job, status=job.status, signal=job_finished, sender=Job)
