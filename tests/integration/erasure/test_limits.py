"""What a map never does: take another reference, another project or a map with errors; and what it does again."""
# ruff: noqa: N806 – models are classes

from typing import Any

import pytest
from django.db import models, transaction
from django.test.utils import isolate_apps

from jobs import JobContext
from jobs.erasure import erase, step, subject
from jobs.erasure.subjects import EraseHandler
from jobs.execution.runner import Outcome
from tests.support.erase_maps import APP, faults_of, key, model, run_map, tables_of, text, to_project, told_of, visit
from tests.support.execution import ANA, claim_again, run_attempt
from tests.support.factories import make_project, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)


@isolate_apps(APP)
@pytest.mark.parametrize("reference", ["07", " 7", "7 ", "+7", "7.0", "seven"])
def test_a_number_is_found_by_exactly_what_was_sent(reference: str):
    Visit = model("Visit", project=to_project(), user_id=models.IntegerField())
    told = subject("user", erase(Visit, by="user_id"))
    project = make_project()

    with tables_of(Visit):
        Visit.objects.create(project=project, user_id=7)
        wrong = run_map(told, project=project, reference=reference)
        right = run_map(told, project=project, reference="7")

    assert wrong.receipt["found_nothing"] is True
    assert told_of(right) == [("Visit", "erased", 1, 1, 0)]


@isolate_apps(APP)
@pytest.mark.parametrize("kind", ["number", "big number", "key", "path"])
def test_a_number_that_no_column_can_hold_finds_nobody(kind: str):
    User = model("User", name=text())
    columns = {"number": models.IntegerField(), "big number": models.BigIntegerField()}
    Visit = model("Visit", project=to_project(), user=columns.get(kind, key(User)))
    told = subject("user", erase(Visit, by="user__id" if kind == "path" else "user"))
    project = make_project()

    with tables_of(User, Visit):
        for reference in ("9" * 30, "-" + "9" * 30, "9223372036854775808"):
            assert run_map(told, project=project, reference=reference).receipt["found_nothing"] is True


@isolate_apps(APP)
def test_a_path_through_several_rows_is_refused_as_one_may_be_of_the_person_and_another_of_the_project():
    House = model("House", name=text())
    Member = model("Member", house=key(House, related_name="members"), project=to_project(), user_id=text())
    Visit = model("Visit", house=key(House), parent=key("self", null=True), user_id=text())
    Group = model(
        "Group", project=to_project(), code=text(), houses=models.ManyToManyField(House, related_name="in_groups")
    )

    for told in (
        subject("user", erase(Visit, by="house__members__user_id", project="house__members__project")),
        subject("user", erase(House, by="members__user_id", project="members__project"), erase(Member), erase(Visit)),
        subject("user", erase(House, by="in_groups__code", across_projects=True), erase(Member), erase(Visit)),
        subject("user", erase(Visit, by="parent__user_id", across_projects=True)),
    ):
        assert "DECLARATION" in faults_of(told), Group


@isolate_apps(APP)
def test_nothing_is_erased_if_rows_of_another_project_would_go_too():
    Visit = visit()
    Click = model("Click", visit=key(Visit), project=to_project(null=True))
    mine, theirs = make_project(), make_project()
    told = subject("user", erase(Visit, by="user_id"), erase(Click))
    job = make_running_job(action="trial", project=mine, reference_id=ANA)

    with tables_of(Visit, Click):
        row = Visit.objects.create(user_id=ANA, project=mine)
        for project in (mine, None, theirs):
            Click.objects.create(visit=row, project=project)
        ran, job = run_attempt(EraseHandler(told), job)
        left = Visit.objects.count(), Click.objects.count()
        Click.objects.filter(project=theirs).delete()
        done = run_map(told, project=mine)

    assert ran.outcome is Outcome.FAILED
    assert (job.errors or "").startswith("Rows that must stay, or of another project, refer to rows of this one;")
    assert "hostapp.Click" in job.events.last().detail
    assert left == (1, 3)
    assert told_of(done) == [("Click", "erased", 2, 2, 0), ("Visit", "erased", 1, 1, 0)]


@isolate_apps(APP)
def test_functions_of_the_host_run_in_their_places_and_again_in_the_next_attempt():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    seen: list[tuple[str, int, int]] = []

    def note(name: str) -> Any:
        def call(job: JobContext) -> None:
            seen.append((name, Click.objects.count(), Visit.objects.count()))
            if name == "last" and job.attempt == 1:
                raise ValueError

        return step(call, store=name)

    told = subject("user", note("first"), erase(Click), note("between"), erase(Visit, by="user_id"), note("last"))
    project = make_project()
    with tables_of(Visit, Click):
        Click.objects.create(visit=Visit.objects.create(user_id=ANA, project=project))
        job = make_running_job(action="trial", project=project, reference_id=ANA)
        ran, job = run_attempt(EraseHandler(told), job)
        with transaction.atomic():
            claimed = claim_again(job)
        again, job = run_attempt(EraseHandler(told), claimed)

    assert (ran.outcome, again.outcome) == (Outcome.RETRYING, Outcome.COMPLETED)
    assert seen == [
        *[("first", 1, 1), ("between", 0, 1), ("last", 0, 0)],
        *[("first", 0, 0), ("between", 0, 0), ("last", 0, 0)],
    ]
    assert told_of(job) == [
        ("first", "called", None, 2, None),
        ("Click", "erased", 1, 1, 0),
        ("between", "called", None, 2, None),
        ("Visit", "erased", 1, 1, 0),
        ("last", "called", None, 1, None),
    ]
    assert job.receipt["found_nothing"] is False


@isolate_apps(APP)
def test_a_map_with_errors_is_not_run():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    job = make_running_job(action="trial", project=make_project(), reference_id=ANA)

    with tables_of(Visit, Click):
        Click.objects.create(visit=Visit.objects.create(user_id=ANA, project=job.project))
        ran, job = run_attempt(EraseHandler(subject("user", erase(Visit, by="user_id"))), job, max_attempts=1)
        left = Click.objects.count()

    assert ran.outcome is Outcome.FAILED
    assert "hostapp.Click" in job.events.last().detail
    assert left == 1
