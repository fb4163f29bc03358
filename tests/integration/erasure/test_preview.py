"""A preview counts what a job would do, at one instant, within its time, and changes nothing."""
# ruff: noqa: N806 – models are classes

import time
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.models.expressions import RawSQL
from django.test.utils import isolate_apps

from jobs.erasure import anonymise, erase, keep, step, subject
from jobs.erasure.rows import PersonRows
from jobs.exceptions import InvalidField, TooSlow, UnknownAction
from jobs.services.commands.preview import request_preview
from jobs.services.commands.schedule import NewJob
from jobs.services.reports import erase_preview
from jobs.services.reports.erase_preview import preview_erase
from jobsite.models import Session, SessionEvent
from tests.support.commands import run, run_json
from tests.support.concurrency import InThread
from tests.support.erase_maps import (
    APP,
    counts_of,
    key,
    model,
    preview_of,
    run_map,
    tables_of,
    text,
    to_project,
    told_of,
    visit,
)
from tests.support.execution import ANA, BEN
from tests.support.factories import make_project
from tests.support.sessions import record_sessions

pytestmark = pytest.mark.django_db(transaction=True)

# A condition that takes seconds for each row.
SLOW = {
    "postgresql": "pg_sleep(5) IS NOT NULL",
    "sqlite": "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 99999999) SELECT max(x) FROM c)",
}


def nothing(job: object) -> None:
    pass


@isolate_apps(APP)
def test_a_preview_counts_each_store_as_the_run_does_and_says_why_rows_are_kept():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    Bill = model("Bill", visit=key(Visit, models.SET_NULL), payer=text())
    Tax = model("Tax", visit=key(Visit, models.SET_NULL))
    told = subject(
        "user",
        step(nothing),
        erase(Visit, by="user_id"),
        erase(Click),
        anonymise(Bill, payer="erased"),
        keep(Tax, because="Tax law"),
    )
    project = make_project()

    with tables_of(Visit, Click, Bill, Tax):
        for owner, payer in [(ANA, "a"), (ANA, "erased"), (BEN, "b")]:
            row = Visit.objects.create(user_id=owner, project=project)
            Click.objects.create(visit=row)
            Bill.objects.create(visit=row, payer=payer)
            Tax.objects.create(visit=row)
        found = preview_of(told, project=project)
        rows_left = [each.objects.count() for each in (Visit, Click, Bill, Tax)]
        job = run_map(told, project=project)

    assert rows_left == [3, 3, 3, 3]
    assert {(name, what, rows) for name, what, rows, _, _ in told_of(job)} == {
        (store.name.removeprefix("hostapp."), store.what.value, store.rows) for store in found.stores
    }
    assert counts_of(found)["nothing"] is None
    assert counts_of(found)["Bill"] == 1
    assert [store.because for store in found.stores if store.because] == ["Tax law"]
    assert (found.plan, found.found_nothing) == (job.receipt["plan"], False)


@isolate_apps(APP)
def test_a_row_of_two_tables_counts_in_each():
    Person = model("Person", project=to_project(), email=text())
    Customer = model("Customer", Person, options={"ordering": []})
    told = subject("user", erase(Person, by="email"), erase(Customer))
    project = make_project()

    with tables_of(Person, Customer):
        for make in (Person, Customer, Customer):
            make.objects.create(email=ANA, project=project)
        found = preview_of(told, project=project)
        job = run_map(told, project=project)

    assert counts_of(found) == {"Customer": 2, "Person": 3}
    assert {name: done for name, _, _, done, _ in told_of(job)} == {"Customer": 2, "Person": 3}


@isolate_apps(APP)
def test_a_preview_of_nobody_says_so_and_one_that_would_fail_too():
    Visit = visit()
    Click = model("Click", visit=key(Visit), project=to_project())
    told = subject("user", erase(Visit, by="user_id"), erase(Click))
    mine, theirs = make_project(), make_project()

    with tables_of(Visit, Click):
        Click.objects.create(visit=Visit.objects.create(user_id=ANA, project=mine), project=theirs)
        nobody, refused = preview_of(told, project=mine, reference=BEN), preview_of(told, project=mine)

    assert (nobody.found_nothing, nobody.refused_by) == (True, None)
    assert (refused.found_nothing, refused.refused_by) == (False, "hostapp.Click")


@isolate_apps(APP)
def test_a_person_whom_an_earlier_job_has_anonymised_is_not_nobody():
    Visit = visit(name=text())
    told = subject("user", anonymise(Visit, by="user_id", name="gone"))
    mine = make_project()

    with tables_of(Visit):
        Visit.objects.create(project=mine, user_id=ANA, name="Ana")
        run_map(told, project=mine)
        preview, again = preview_of(told, project=mine), run_map(told, project=mine)
        nobody = preview_of(told, project=mine, reference=BEN)

    assert counts_of(preview) == {"Visit": 0}
    assert (preview.found_nothing, again.receipt["found_nothing"], nobody.found_nothing) == (False, False, True)


@isolate_apps(APP)
def test_what_takes_too_long_is_at_least_as_much_as_was_counted(monkeypatch: pytest.MonkeyPatch):
    Visit = visit()
    project = make_project()

    def slow(self: PersonRows, store: Any) -> Any:
        return self.of_store(store).filter(RawSQL(SLOW[connection.vendor], (), models.BooleanField()))

    monkeypatch.setattr(PersonRows, "met_by", slow)
    with tables_of(Visit):
        Visit.objects.create(user_id=ANA, project=project)
        found = preview_of(subject("user", erase(Visit, by="user_id")), project=project, seconds=0.2)

    (store,) = found.stores
    assert (store.rows, store.is_at_least, found.found_nothing) == (0, True, False)


@isolate_apps(APP)
def test_the_limit_of_time_holds_for_the_whole_preview(monkeypatch: pytest.MonkeyPatch):
    Visit = visit()
    made = [model(f"Click{number}", visit=key(Visit), project=to_project()) for number in range(6)]
    told = subject("user", erase(Visit, by="user_id"), *map(erase, made))
    project = make_project()
    real = erase_preview.of_other_projects

    def slow(rows: PersonRows) -> Any:
        for label, _ in real(rows):
            yield label, Visit.objects.filter(RawSQL(SLOW[connection.vendor], (), models.BooleanField()), user_id=BEN)

    with tables_of(Visit, *made):
        Visit.objects.create(project=project, user_id=BEN)
        monkeypatch.setattr(erase_preview, "of_other_projects", slow)
        begun = time.monotonic()
        with pytest.raises(TooSlow):
            preview_of(told, project=project, seconds=0.5)
        took = time.monotonic() - begun

    assert took < 2


def test_all_counts_are_of_one_instant_and_no_writer_waits(monkeypatch: pytest.MonkeyPatch):
    project = make_project()
    record_sessions(project, ANA, 2)
    real = PersonRows.met_by

    def met_by(self: PersonRows, store: Any) -> Any:
        if store.name == "sessions":  # the events are counted before
            InThread(lambda: record_sessions(project, ANA, 3)).result()
        return real(self, store)

    before = Session.objects.count()
    monkeypatch.setattr(PersonRows, "met_by", met_by)
    found = preview_erase("delete_user_data", project=project, reference_id=ANA)

    assert before == 2
    assert Session.objects.count() == 5
    assert counts_of(found)["sessions"] == 2


def test_a_preview_works_in_a_transaction_of_the_host_and_leaves_it_open():
    project = make_project()

    with transaction.atomic():
        record_sessions(project, ANA, 2)
        found = preview_erase("delete_user_data", project=project, reference_id=ANA)
        record_sessions(project, ANA, 1)

    assert counts_of(found)["sessions"] == 2
    assert Session.objects.count() == 3


def test_what_could_be_no_job_has_no_preview():
    project = make_project()

    with pytest.raises(UnknownAction):
        request_preview(NewJob(action="no_such_action", reference_id=ANA), project=project)
    with pytest.raises(InvalidField, match="no map"):
        request_preview(NewJob(action="touch", reference_id=ANA), project=project)
    with pytest.raises(InvalidField, match="no map"):
        preview_erase("touch", project=project, reference_id=ANA)
    with pytest.raises(InvalidField, match="reference_id"):
        request_preview(NewJob(action="delete_user_data", reference_id="a\0"), project=project)


def test_the_command_tells_the_preview_in_words_and_as_json():
    project = make_project()
    record_sessions(project, ANA, 2)
    events = SessionEvent.objects.count()
    words = ("previewerase", ANA, "--project", project.key)

    told, found, nobody = run(*words), run_json(*words), run("previewerase", BEN, "--project", project.key)

    assert told.splitlines()[:2] == [f"events: {events} would be erased", "sessions: 2 would be erased"]
    assert found["stores"][1] == {"store": "sessions", "what": "erased", "because": None, "rows": 2, "atLeast": False}
    assert (found["foundNothing"], found["refusedBy"]) == (False, None)
    assert f"Plan {found['plan']}. Nothing was changed." in told
    assert "Nothing was found of this person." in nobody
    assert Session.objects.count() == 2
