"""What the home page and the reference show as code does what they say; the tutorial is done in ``tests/system``."""

import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Final

import pytest
from django.dispatch import Signal

from jobs import actions
from jobs.models import Job
from jobs.signals import job_finished
from jobs.testing import make_job, make_project, run_due_jobs
from jobsite.models import Session, SessionEvent
from tests.integration.docs.test_readme import record_sessions
from tests.support.hostapp.models import Invoice
from tests.support.source import ROOT

DOCS: Final = ROOT / "docs"
PAGES: Final = [DOCS / "index.md", *sorted((DOCS / "reference").glob("*.md"))]
SNIPPET: Final = re.compile(r"```python\n(# shop/(\w+)\.py\n.*?)```", re.DOTALL)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package ``shop`` with the models that the snippets import, and a registry of its own."""
    package, models = ModuleType("shop"), ModuleType("shop.models")
    package.__path__ = []
    vars(models).update(Session=Session, SessionEvent=SessionEvent, Invoice=Invoice)
    monkeypatch.setitem(sys.modules, "shop", package)
    monkeypatch.setitem(sys.modules, "shop.models", models)
    monkeypatch.setattr(actions, "_registry", {})


@pytest.fixture
def no_receivers() -> Iterator[Signal]:
    """The signal without receivers; those of the test are taken off again."""
    before = job_finished.receivers
    job_finished.receivers = []
    job_finished.sender_receivers_cache.clear()
    yield job_finished
    job_finished.receivers = before
    job_finished.sender_receivers_cache.clear()


def load(page: str, name: str) -> ModuleType:
    """Load the one snippet ``shop/<name>.py`` of a page."""
    (text,) = [text for text, found in SNIPPET.findall((DOCS / page).read_text()) if found == name]
    module = ModuleType(f"shop.{name}")
    module.__package__ = "shop"
    exec(compile(text, page, "exec"), vars(module))
    return module


def test_all_code_of_these_pages_is_run_below():
    found = {path.name: path.read_text().count("```python") for path in PAGES}

    assert {name: count for name, count in found.items() if count} == {"index.md": 1, "actions.md": 1, "signals.md": 1}


@pytest.mark.usefixtures("shop")
def test_the_erase_of_the_home_page_erases_this_user_and_no_other():
    project = make_project()
    for user in ("shekar@example.com", "mehdi@example.com"):
        record_sessions(project, user, 2)
    load("index.md", "job_actions")
    make_job("delete_user_data", project=project, reference_id="shekar@example.com")

    (job,) = run_due_jobs()

    assert job.status == "completed"
    assert set(Session.objects.values_list("user_id", flat=True)) == {"mehdi@example.com"}


@pytest.mark.usefixtures("shop")
def test_the_archive_of_the_reference_archives_the_year():
    Invoice.objects.bulk_create(Invoice(year=year) for year in ["2024", "2024", "2025"])
    load("reference/actions.md", "job_actions")
    make_job("archive_invoices", reference_id="2024")

    (job,) = run_due_jobs()

    assert job.status == "completed"
    assert list(Invoice.objects.filter(archived=False).values_list("year", flat=True)) == ["2025"]


def test_the_receiver_of_the_reference_is_connected(no_receivers: Signal):
    module = load("reference/signals.md", "receivers")

    assert no_receivers.has_listeners(Job)
    make_job("touch")
    (job,) = run_due_jobs()

    module.tell_the_customer(job=job, status=job.status, signal=no_receivers, sender=Job)
