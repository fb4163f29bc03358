"""What the README says is so: its snippets run, its short tables are the reference's, which is the code's."""

import re
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from django.contrib import admin

import jobs
from jobs import actions, get_project_model, schedule_job
from jobs.models import Job
from jobs.status import Status
from jobs.workers.worker import JobWorker
from jobsite.models import Session, SessionEvent
from tests.support.factories import make_project
from tests.support.hostapp.models import Invoice
from tests.support.source import ROOT

README = (ROOT / "README.md").read_text()
SNIPPETS = [s for s in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if s.startswith("# shop/job_actions.py")]


@pytest.fixture
def shop(monkeypatch):
    """A package ``shop`` with the models that the snippets import, and a registry of its own."""
    package, models = ModuleType("shop"), ModuleType("shop.models")
    package.__path__ = []
    vars(models).update(Session=Session, SessionEvent=SessionEvent, Invoice=Invoice)
    monkeypatch.setitem(sys.modules, "shop", package)
    monkeypatch.setitem(sys.modules, "shop.models", models)
    monkeypatch.setattr(actions, "_registry", {})
    for snippet in SNIPPETS:
        exec(compile(snippet, "README.md", "exec"), {"__name__": "shop.job_actions", "__package__": "shop"})


def record_sessions(project, user, count):
    """Insert sessions of one user, each with an event."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    sessions = [Session(project=project, user_id=user, started_at=at, duration=timedelta(0)) for _ in range(count)]
    Session.objects.bulk_create(sessions)
    SessionEvent.objects.bulk_create(SessionEvent(session=session, at=at, kind="click") for session in sessions)


@pytest.mark.django_db(transaction=True)
def test_the_erase_of_the_readme_erases_this_user_and_no_other(shop):
    project = make_project()
    for user, count in (("shekar@example.com", 3), ("mehdi@example.com", 2)):
        record_sessions(project, user, count)
    job = schedule_job("delete_user_data", project=project, reference_id="shekar@example.com")
    Job.objects.filter(pk=job.pk).update(due_at=job.created_at)

    JobWorker(threads=1, drain=True).run()

    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    assert set(Session.objects.values_list("user_id", flat=True)) == {"mehdi@example.com"}


@pytest.mark.django_db(transaction=True)
def test_the_archive_of_the_readme_archives_the_year(shop):
    Invoice.objects.bulk_create(Invoice(year=year) for year in ["2024", "2024", "2025"])
    job = schedule_job("archive_invoices", project=make_project(), reference_id="2024")

    JobWorker(threads=1, drain=True).run()

    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    assert job.receipt["stores"]["invoices"] == {"found": None, "done": 2, "left": 0}
    assert list(Invoice.objects.filter(archived=False).values_list("year", flat=True)) == ["2025"]


def test_the_admin_of_the_readme_registers_pages_of_ours_on_a_theme(monkeypatch):
    (snippet,) = re.findall(r"```python\n(# shop/admin.py.*?)```", README, re.DOTALL)
    package, models, theme = ModuleType("shop"), ModuleType("shop.models"), ModuleType("unfold.admin")
    package.__path__ = []
    vars(models).update(Project=get_project_model())
    vars(theme).update(ModelAdmin=type("ThemeAdmin", (admin.ModelAdmin,), {}))
    for module in (package, models, ModuleType("unfold"), theme):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    site = admin.AdminSite()
    monkeypatch.setattr(admin.sites, "site", site)

    exec(compile(snippet, "README.md", "exec"), {"__name__": "shop.admin", "__package__": "shop"})

    assert set(site._registry) == {Job, get_project_model()}
    assert site.check(None) == []


def test_both_snippets_are_there():
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize(
    ("head", "page"),
    [("| key | default | unit, meaning |", "settings"), ("| option of `@action` |", "actions")],
)
def test_a_short_table_says_what_the_reference_says(head, page):
    table = README.split(head)[1].split("\n\n")[0]
    rows = re.findall(r"^\| `.*", table, re.MULTILINE)
    reference = (ROOT / "docs" / "reference" / f"{page}.md").read_text().splitlines()

    assert rows
    assert [row for row in rows if row not in reference] == []


def test_every_public_name_is_in_the_readme():
    missing = [name for name in jobs.__all__ if f"`{name}" not in README and f" {name}" not in README]

    assert missing == []


def test_the_lifecycle_is_drawn_with_every_status():
    drawing = README.split("```")[3]

    assert all(status in drawing for status in Status)
