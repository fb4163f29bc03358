"""The decorator, the registry, and the modules it finds."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs import JobContext, action, actions
from jobs.exceptions import ActionMisused, ActionNameTaken, UnknownAction
from tests.support.source import ROOT


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_registry", {})


def register(name: str = "sweep_floor", **options: Any) -> Callable[[JobContext], None]:
    @action(name, **{"description": "Sweep for {reference_id}", **options})
    def sweep_floor(job: JobContext) -> None:
        """Sweep."""

    return sweep_floor


def test_the_decorator_registers_the_function_and_returns_it():
    register("a" * 100)
    handler = register(
        public=True, unique=True, start=timedelta(hours=1), databases=("archive",), queue="far.away-1:x", priority=-100
    )

    found = actions.get_action("sweep_floor")
    assert found.handler is handler
    assert (found.public, found.unique, found.start) == (True, True, timedelta(hours=1))
    assert found.databases == frozenset({"archive"})
    assert (found.queue, found.priority) == ("far.away-1:x", -100)
    assert (actions.queue_of("sweep_floor"), actions.queue_of("unknown")) == ("far.away-1:x", "default")
    assert actions.find_action("a" * 100)


def test_an_action_is_internal_not_unique_and_starts_now_unless_it_says_so():
    register()

    found = actions.get_action("sweep_floor")
    assert (found.public, found.unique, found.start, found.parameters) == (False, False, "now", None)
    assert (found.max_attempts, found.backoff, found.deadline) == (3, timedelta(seconds=30), timedelta(minutes=10))
    assert (found.queue, found.priority) == ("default", 0)


@pytest.mark.parametrize(
    "options",
    [
        *({"queue": queue} for queue in ("", "two words", None, "x" * 101)),
        *({"priority": priority} for priority in (101, -101, True, 1.5, "high")),
    ],
)
def test_a_queue_or_a_priority_that_no_engine_takes_is_refused(options: dict[str, Any]):
    with pytest.raises(ActionMisused, match="sweep_floor"):
        register(**options)


def test_a_name_that_is_taken_is_refused_and_both_functions_are_named():
    first = register()

    with pytest.raises(ActionNameTaken, match="_another") as refused:

        @action("sweep_floor", description="Another")
        def _another(job: JobContext) -> None: ...

    assert f"{__name__}.{first.__qualname__}" in str(refused.value)
    assert actions.get_action("sweep_floor").handler is first


@pytest.mark.parametrize("first", [False, True], ids=["named second", "named first"])
def test_an_action_that_replaces_wins_whichever_app_comes_first(first: bool):
    def theirs(job: JobContext) -> None: ...

    def ours(job: JobContext) -> None: ...

    for handler in (ours, theirs) if first else (theirs, ours):
        action("sweep_floor", description="Maintenance", public=handler is ours, replaces=handler is ours)(handler)

    assert actions.get_action("sweep_floor").handler is ours
    assert actions.get_action("sweep_floor").public


def test_of_two_that_replace_the_second_is_refused():
    @action("sweep_floor", description="Maintenance", replaces=True)
    def _first(job: JobContext) -> None: ...

    with pytest.raises(ActionNameTaken, match="_second"):

        @action("sweep_floor", description="Maintenance", replaces=True)
        def _second(job: JobContext) -> None: ...


def test_the_same_function_may_be_registered_again_as_a_reload_does():
    register()
    again = register()

    assert actions.get_action("sweep_floor").handler is again


def test_an_unknown_action_is_none_to_find_and_an_error_to_get():
    assert actions.find_action("nothing") is None
    with pytest.raises(UnknownAction, match="^action: ") as unknown:
        actions.get_action("nothing")
    assert (unknown.value.action, unknown.value.field) == ("nothing", "action")


def test_all_actions_come_by_name():
    for name in ("b", "c", "a"):
        register(name)

    assert [each.name for each in actions.all_actions()] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["", "Maintenance", "1st", "a b", "a-b", "a.b", "_a", "ä", "a\n", "a" * 101, None, 5])
def test_a_name_is_lower_case_letters_digits_and_underscores(name: Any):
    with pytest.raises(ActionMisused, match="must be lower-case letters"):
        register(name)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"start": "tomorrow"}, "start"),
        ({"start": timedelta(seconds=-1)}, "start"),
        ({"start": 60}, "start"),
        ({"start": timedelta(days=4000)}, "start"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 1001}, "max_attempts"),
        ({"max_attempts": True}, "max_attempts"),
        ({"max_attempts": 1.5}, "max_attempts"),
        ({"backoff": timedelta(0)}, "backoff"),
        ({"backoff": 30}, "backoff"),
        ({"deadline": timedelta(0)}, "deadline"),
        ({"deadline": None}, "deadline"),
        ({"description": "{other}"}, "description"),
        ({"description": "{}"}, "description"),
        ({"description": "{reference_id.__class__}"}, "description"),
        ({"description": "{reference_id!r}"}, "description"),
        ({"description": "{reference_id:>10}"}, "description"),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(options: dict[str, Any], named: str):
    with pytest.raises(ActionMisused, match=f"{named} of 'sweep_floor'"):
        register(**options)
    assert actions.find_action("sweep_floor") is None


@pytest.mark.parametrize("start", ["now", "next_midnight", timedelta(0), timedelta(days=1)])
def test_a_start_is_now_next_midnight_or_a_delay(start: Any):
    register(start=start)

    assert actions.get_action("sweep_floor").start == start


@pytest.mark.parametrize("reference", ["mehdi@example.com", "{reference_id}", "{0.__class__}", "%s", "a}b{"])
def test_the_reference_stands_in_the_description_as_it_is(reference: str):
    register(description="Sweep {{all}} for {reference_id}")

    assert actions.get_action("sweep_floor").describe(reference) == f"Sweep {{all}} for {reference}"


def set_up_with_app(tmp_path: Path, *, job_actions: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Set Django up in a bare process with an app ``shop`` that has these ``job_actions``."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "job_actions.py").write_text(job_actions)
    start = (
        "import django; from django.conf import settings; settings.configure("
        "INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth', 'jobs', 'shop'],"
        "DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}); django.setup()\n"
    )
    paths = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    return subprocess.run(
        [sys.executable, "-c", start + code], env=paths, capture_output=True, text=True, check=False, timeout=60
    )


def test_job_actions_of_installed_apps_are_found(tmp_path: Path):
    module = "from jobs import action\n@action('greet', description='Greet {reference_id}')\ndef greet(job): 'Greet.'\n"
    code = "from jobs.actions import get_action; print(get_action('greet').handler.__module__)"

    done = set_up_with_app(tmp_path, job_actions=module, code=code)

    assert (done.returncode, done.stdout.strip()) == (0, "shop.job_actions"), done.stderr


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import no_such_package", "No module named 'no_such_package'"),
        ("def broken(", "SyntaxError"),
        ("1 / 0", "division by zero"),
    ],
)
def test_a_module_that_fails_to_import_is_named_and_not_swallowed(tmp_path: Path, module: str, reason: str):
    done = set_up_with_app(tmp_path, job_actions=module)

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured: shop.job_actions could not be imported" in last
    assert reason in last
