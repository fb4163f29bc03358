"""The decorator, the registry, and the modules it finds."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from jobs import JobContext, action, actions
from jobs.exceptions import ActionMisused, ActionNameTaken, UnknownAction
from tests.support.processes import run_python


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
        public=True,
        unique=True,
        start=timedelta(hours=1),
        databases=("archive",),
        writes_outside=("log",),
        queue="far.away-1:x",
        priority=-100,
    )

    found = actions.get_action("sweep_floor")
    assert found.handler is handler
    assert (found.public, found.unique, found.start) == (True, True, timedelta(hours=1))
    assert (found.databases, found.writes_outside) == (frozenset({"archive"}), frozenset({"log"}))
    assert (found.queue, found.priority) == ("far.away-1:x", -100)
    assert (actions.queue_of("sweep_floor"), actions.queue_of("unknown")) == ("far.away-1:x", "default")
    assert actions.find_action("a" * 100)


def test_an_action_is_internal_not_unique_and_starts_now_unless_it_says_so():
    register()

    found = actions.get_action("sweep_floor")
    assert (found.public, found.unique, found.start, found.parameters) == (False, False, "now", None)
    assert (found.max_attempts, found.backoff, found.deadline) == (3, timedelta(seconds=30), timedelta(minutes=10))
    assert (found.queue, found.priority) == ("default", 0)


@pytest.mark.parametrize("replaces", [False, True])
def test_a_name_that_is_taken_is_refused_and_both_functions_are_named(replaces: bool):
    first = register(replaces=replaces)

    with pytest.raises(ActionNameTaken, match="_another") as refused:

        @action("sweep_floor", description="Another", replaces=replaces)
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


def test_the_same_function_may_be_registered_again_as_a_reload_does():
    register()
    again = register()

    assert actions.get_action("sweep_floor").handler is again


def test_all_actions_come_by_name_and_an_unknown_one_is_none_to_find_and_an_error_to_get():
    for name in ("b", "c", "a"):
        register(name)

    assert [each.name for each in actions.all_actions()] == ["a", "b", "c"]
    assert actions.find_action("nothing") is None
    with pytest.raises(UnknownAction, match="^action: ") as unknown:
        actions.get_action("nothing")
    assert (unknown.value.action, unknown.value.field) == ("nothing", "action")


@pytest.mark.parametrize("name", ["", "Maintenance", "1st", "a b", "a-b", "a.b", "_a", "ä", "a\n", "a" * 101, None, 5])
def test_a_name_is_lower_case_letters_digits_and_underscores(name: Any):
    with pytest.raises(ActionMisused, match="must be lower-case letters"):
        register(name)


REFUSED: Final[dict[str, tuple[Any, ...]]] = {
    "start": ("tomorrow", timedelta(seconds=-1), 60, timedelta(days=4000)),
    "max_attempts": (0, 1001, True, 1.5),
    "backoff": (timedelta(0), 30),
    "deadline": (timedelta(0), None),
    "description": ("{other}", "{}", "{reference_id.__class__}", "{reference_id!r}", "{reference_id:>10}"),
    "queue": ("", "two words", None, "x" * 101),
    "priority": (101, -101, True, 1.5, "high"),
    "databases": ("archive", None, (1,)),
    "writes_outside": ("audit_log", None, (1,)),
}


@pytest.mark.parametrize(("option", "value"), [(option, value) for option in REFUSED for value in REFUSED[option]])
def test_an_option_that_cannot_work_is_refused_by_name(option: str, value: Any):
    with pytest.raises(ActionMisused, match=f"{option} of 'sweep_floor'"):
        register(**{option: value})
    assert actions.find_action("sweep_floor") is None


@pytest.mark.parametrize("start", ["now", "next_midnight", timedelta(0), timedelta(days=1)])
def test_a_start_is_now_next_midnight_or_a_delay(start: Any):
    register(start=start)

    assert actions.get_action("sweep_floor").start == start


@pytest.mark.parametrize("reference", ["mehdi@example.com", "{reference_id}", "{0.__class__}", "%s", "a}b{"])
def test_the_reference_stands_in_the_description_as_it_is(reference: str):
    register(description="Sweep {{all}} for {reference_id}")

    assert actions.get_action("sweep_floor").describe(reference) == f"Sweep {{all}} for {reference}"


START: Final = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "jobs", "shop"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
"""


def set_up_with_app(tmp_path: Path, *, job_actions: str, code: str = "") -> Any:
    """Set Django up in a bare process with an app ``shop`` that has these ``job_actions``."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "job_actions.py").write_text(job_actions)
    return run_python("-c", START + code, settings="", PYTHONPATH=str(tmp_path))


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
