"""The Celery backend, without a broker: what it sends, and what a worker does with a message."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

pytest.importorskip("celery", reason="the package celery is not here")

import celery
from kombu import Queue

from jobs import tasks
from jobs.contrib import celery as ours
from jobs.contrib.celery import CeleryBackend, run_task
from jobs.engines import engine_process
from tests.support.execution import registered_action

pytestmark = pytest.mark.uses_database

app = celery.Celery("trial", broker="memory://", set_as_current=False)
app.conf.task_queues = [Queue("default", max_priority=10), Queue("site.default", max_priority=4), Queue("plain")]
SETTINGS: Any = {"BACKEND": "jobs.contrib.celery.CeleryBackend", "QUEUES": [], "OPTIONS": {"app": f"{__name__}.app"}}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that are sent; none reaches a broker."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(app, "send_task", lambda name, **options: found.append({"name": name, **options}))
    return found


@pytest.fixture(autouse=True)
def _engine() -> Iterator[None]:
    with override_settings(JOBS={"TASK_BACKEND": "default"}, TASKS={"default": SETTINGS}):
        yield


def test_a_message_names_the_task_and_its_arguments_and_waits_for_the_broker(sent: list[dict[str, Any]]):
    tasks.hand_over(7, action="note")

    (message,) = sent
    assert message["name"] == "jobs.contrib.celery.run_task"
    assert message["args"] == ("jobs.tasks.run_job", [7], {})
    assert (message["queue"], message["serializer"], message["ignore_result"]) == ("default", "json", True)
    assert message["confirm_timeout"] == 5
    assert app.conf.broker_transport_options["confirm_publish"] is True


def test_a_transport_without_confirmations_gets_the_messages_one_by_one(sent: list[dict[str, Any]]):
    assert tasks.dispatch_many([(7, "note"), (8, "note")]) == ([7, 8], None)

    assert [message["args"][1] for message in sent] == [[7], [8]]


@pytest.mark.parametrize(("priority", "mapped"), [(-100, 0), (-60, 2), (0, 5), (60, 8), (100, 10)])
def test_a_priority_is_mapped_to_those_of_the_queue(sent: list[dict[str, Any]], priority: int, mapped: int):
    with registered_action(lambda _: None, name="trial_of_priority", priority=priority):
        tasks.hand_over(7, action="trial_of_priority")

    assert sent[0]["priority"] == mapped


def test_a_message_to_a_queue_without_priorities_has_none(sent: list[dict[str, Any]]):
    with registered_action(lambda _: None, name="trial_of_priority", queue="plain", priority=60):
        tasks.hand_over(7, action="trial_of_priority")

    assert "priority" not in sent[0]


def test_the_queues_of_a_site_have_its_prefix(sent: list[dict[str, Any]]):
    with override_settings(
        TASKS={"default": {**SETTINGS, "OPTIONS": {**SETTINGS["OPTIONS"], "queue_prefix": "site."}}}
    ):
        tasks.hand_over(7, action="note")

    assert (sent[0]["queue"], sent[0]["priority"]) == ("site.default", 2)


def test_a_backend_without_an_app_raises_with_what_it_needs():
    with pytest.raises(ImproperlyConfigured, match=r"needs OPTIONS = \{'app': "):
        CeleryBackend("default", {"BACKEND": "x", "OPTIONS": {}})


def test_the_task_is_acknowledged_at_its_end_and_sent_again_if_its_worker_dies():
    task = app.tasks["jobs.contrib.celery.run_task"]

    assert (task.acks_late, task.reject_on_worker_lost, task.ignore_result, task.max_retries) == (True, True, True, 0)


def test_a_worker_calls_the_task_that_the_message_names(monkeypatch: pytest.MonkeyPatch):
    called: list[int] = []
    monkeypatch.setattr(
        engine_process, "current", lambda: type("EngineProcess", (), {"run": lambda self, pk: called.append(pk)})()
    )

    run_task("jobs.tasks.run_job", [7], {})

    assert called == [7]


HOSTILE = [
    *(
        (path, ["true"], {})
        for path in ("os.system", "jobs.tasks.check_engine", "jobs.tasks", "run_job", "", ".", "a" * 10**5)
    ),
    *(
        (path, [7], {})
        for path in ("jobs.tasks._run_job", "jobs.create_api_key", "this.s", None, 7, ["jobs.tasks.run_job"])
    ),
    *(("jobs.tasks.run_job", args, {}) for args in ([], [7, 8], None, "7", {"job_id": 7}, 7)),
    *(("jobs.tasks.run_job", [7], kwargs) for kwargs in ({"job_id": 7}, {"x": 1}, None, [], "x")),
    *(
        ("jobs.tasks.run_job", [job_id], {})
        for job_id in ("7", 7.0, True, None, [7], {}, 0, -7, 2**63, 10**4000, "x' OR 1=1")
    ),
    ("jobs.tasks.run_job", [7], {}, "more"),
    ("jobs.tasks.run_job",),
    (),
]


@pytest.mark.parametrize("message", HOSTILE, ids=range(len(HOSTILE)))
def test_any_other_message_is_dropped_with_one_line_and_nothing_is_imported_for_it(
    message: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(engine_process, "current", lambda: pytest.fail("it reached the engine process"))
    loaded = set(sys.modules)

    run_task(*message)

    (line,) = caplog.messages
    assert line.startswith("dropped a message")
    assert set(sys.modules) == loaded


def test_a_module_that_imports_for_a_name_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    lazy = ModuleType("tests.lazy")
    vars(lazy)["__getattr__"] = lambda name: pytest.fail(f"asked for {name}")
    monkeypatch.setitem(sys.modules, "tests.lazy", lazy)

    run_task("tests.lazy.anything", [], {})


def test_the_processes_of_a_worker_are_asked_to_stop_when_it_shuts_down(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_process, "_is_stop_asked", None)
    ours._begin()
    assert engine_process._is_stop_asked is not None
    assert not engine_process._is_stop_asked()

    ours._end()

    assert engine_process._is_stop_asked()
    ours._begin()
