"""The task ``run_job`` goes to the engine that the settings name; without one, Django Tasks are not needed."""

import sys
from importlib.util import find_spec
from typing import Any, Final

import pytest
from django.test import override_settings
from django.utils.module_loading import import_string

import jobs.engines
from jobs import tasks
from jobs.checks.settings import check_engine
from tests.support.execution import registered_action
from tests.support.processes import run_python

pytestmark = pytest.mark.uses_database

needs_tasks: Final = pytest.mark.skipif(
    not find_spec("django_tasks") and not find_spec("django.tasks"), reason="neither Django 6 nor django-tasks is here"
)


def with_engine(**backend: Any) -> Any:
    where = "django.tasks" if find_spec("django.tasks") else "django_tasks"
    tasks_setting = {"default": {"BACKEND": f"{where}.backends.dummy.DummyBackend", **backend}}
    return override_settings(JOBS={"TASK_BACKEND": "default"}, TASKS=tasks_setting)


def test_without_an_engine_the_task_is_a_plain_function_and_nothing_is_imported_for_it():
    program = (
        "import sys, django; django.setup(); from jobs import tasks; "
        "others = ('django_tasks.b', 'celery', 'jobs.engines.engine_process'); "
        "print(type(tasks.run_job).__name__, [n for n in sys.modules if n.startswith(others)])"
    )

    done = run_python("-c", program, settings="jobsite.settings", DATABASE_URL="sqlite:///:memory:")

    assert done.stdout == "function []\n", done.stderr


@needs_tasks
def test_the_task_follows_the_settings():
    with with_engine(QUEUES=["slow", "fast"]):
        task = import_string("jobs.tasks.run_job")
        again = import_string("jobs.tasks.run_job")

    assert task is again
    assert (task.module_path, task.queue_name) == ("jobs.tasks.run_job", "fast")
    assert not hasattr(import_string("jobs.tasks.run_job"), "queue_name")


@needs_tasks
@pytest.mark.parametrize(("knows_priorities", "priority"), [(True, 50), (False, 0)])
@pytest.mark.parametrize(("queues", "of_unknown"), [(["default", "far"], "default"), (["slow", "far"], "far")])
def test_a_job_is_sent_to_the_queue_of_its_action_with_its_priority_if_the_engine_has_priorities(
    knows_priorities: bool, priority: int, queues: list[str], of_unknown: str, monkeypatch: pytest.MonkeyPatch
):
    with with_engine(QUEUES=queues), registered_action(lambda _: None, name="far", queue="far", priority=50):
        monkeypatch.setattr(type(tasks._backend("default")), "supports_priority", knows_priorities)
        tasks.hand_over(7, action="far")
        tasks.hand_over(8, action="gone")  # of an action that is not registered

        sent = tasks._backend("default").results

    assert [(one.args, one.task.queue_name, one.task.priority) for one in sent] == [
        ([7], "far", priority),
        ([8], of_unknown, 0),
    ]


@needs_tasks
def test_a_queue_that_the_engine_does_not_have_fails_the_check_and_the_dispatch_with_the_cause():
    with with_engine(QUEUES=["default"]), registered_action(lambda _: None, name="far", queue="far"):
        found = [(error.id, error.msg) for error in check_engine()]
        with pytest.raises(tasks.HandOverFailed) as failed:
            tasks.hand_over(7, action="far")

    assert found == [("jobs.E020", "The backend 'default' in TASKS has no queue 'elsewhere', 'far'.")]
    assert type(failed.value.cause).__name__.startswith("InvalidTask")


@needs_tasks
def test_many_jobs_are_sent_one_by_one_up_to_the_first_failure_where_the_engine_has_no_batches(
    monkeypatch: pytest.MonkeyPatch,
):
    with with_engine(QUEUES=["default"]), registered_action(lambda _: None, name="far", queue="far"):
        jobs = [(7, "gone"), (8, "gone"), (9, "far"), (10, "gone")]
        taken, failure = tasks.dispatch_many(jobs)
        sent = [one.args for one in tasks._backend("default").results]

    assert (taken, sent) == ([7, 8], [[7], [8]])
    assert failure is not None
    assert type(failure.cause).__name__.startswith("InvalidTask")


@needs_tasks
def test_an_engine_that_declares_batches_gets_all_jobs_at_once(monkeypatch: pytest.MonkeyPatch):
    batches: list[Any] = []

    def enqueue_batch(calls: Any) -> Any:
        batches.append([(task.queue_name, args) for task, args in calls])
        return {0, 2}, ConnectionError("lost")

    with with_engine(QUEUES=["default"]):
        backend = tasks._backend("default")
        monkeypatch.setattr(backend, "supports_batch", True, raising=False)
        monkeypatch.setattr(backend, "enqueue_batch", enqueue_batch, raising=False)
        taken, failure = tasks.dispatch_many([(7, "gone"), (8, "gone"), (9, "gone")])

    assert batches == [[("default", [7]), ("default", [8]), ("default", [9])]]
    assert taken == [7, 9]
    assert failure is not None
    assert isinstance(failure.cause, ConnectionError)


@needs_tasks
def test_no_engine_and_an_engine_that_allows_all_queues_pass_the_check_and_an_unknown_alias_fails_it():
    without_engine = check_engine()
    with with_engine(QUEUES=[]):
        with_all_queues = check_engine()
        with override_settings(JOBS={"TASK_BACKEND": "nowhere"}):
            (error,) = check_engine()

    assert without_engine == with_all_queues == []
    assert error.id == "jobs.E020"
    assert error.msg.startswith("TASKS has no backend 'nowhere' that works: ")


def test_an_engine_fails_the_check_where_django_tasks_are_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "jobs.engines.compat", raising=False)
    monkeypatch.delattr(jobs.engines, "compat", raising=False)
    for name in [n for n in sys.modules if n.partition(".")[0] == "django_tasks"] + ["django_tasks", "django.tasks"]:
        monkeypatch.setitem(sys.modules, name, None)

    with override_settings(JOBS={"TASK_BACKEND": "default"}):
        (error,) = check_engine()

    assert (error.id, error.msg) == ("jobs.E020", "Django Tasks are not installed.")
