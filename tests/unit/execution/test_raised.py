"""Whatever an action raises is recorded, in a text that is made of whatever it gave."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.db import DatabaseError

from jobs import JobContext, JobFailed
from jobs.execution import outcomes, runner
from jobs.execution.outcomes import Outcome
from jobs.execution.texts import NO_REASON
from jobs.lifecycle import transitions
from jobs.status import Status
from tests.support.execution import last_event, lease_of, run_attempt
from tests.support.factories import WORKER, make_running_job

pytestmark = pytest.mark.django_db

CANARY = "canary@example.com"


class Silent(JobFailed):
    """A subclass that does not call ``super().__init__``."""

    def __init__(self, invoice: str) -> None:
        self.invoice = invoice


class Worded(JobFailed):
    """A subclass that only stores its message."""

    def __init__(self, invoice: int) -> None:
        self.message = f"Invoice {invoice} is not paid."


class Broken(JobFailed):
    """A subclass whose message cannot be read."""

    @property
    def message(self) -> str:  # type: ignore[override]
        raise RuntimeError

    def __init__(self) -> None:
        Exception.__init__(self)


class Unspeakable:
    """An object that has no text."""

    def __str__(self) -> NoReturn:
        raise RuntimeError(CANARY)

    __repr__ = __str__


class Odd(str):
    """A text whose methods do not work."""

    __slots__ = ()

    def __str__(self) -> str:
        return self

    def encode(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError

    replace = __len__ = __getitem__ = encode  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("failure", "errors"),
    [
        (JobFailed(ValueError("No invoice.")), "No invoice."),  # type: ignore[arg-type]
        (JobFailed(42), "42"),  # type: ignore[arg-type]
        (JobFailed(["a", "b"]), "['a', 'b']"),  # type: ignore[arg-type]
        (JobFailed(b"bytes"), "b'bytes'"),  # type: ignore[arg-type]
        (JobFailed(None), NO_REASON),  # type: ignore[arg-type]
        (JobFailed(Unspeakable()), NO_REASON),  # type: ignore[arg-type]
        (JobFailed(Odd("Odd.")), "Odd."),
        (JobFailed("x" * 10_000_000), "x" * 999 + "…"),
        (Silent("Invoice 7"), "Invoice 7"),
        (Worded(7), "Invoice 7 is not paid."),
        (Broken(), NO_REASON),
    ],
    ids=lambda given: type(given).__name__,
)
def test_an_action_that_fails_its_job_in_whatever_words_ends_it_at_once(failure: JobFailed, errors: str):
    ran, job = run_attempt(raising(failure))

    assert ran.outcome is Outcome.FAILED
    assert (job.status, job.failures, job.errors) == (Status.FAILED, 1, errors)


class Mute(Exception):
    def __str__(self) -> NoReturn:
        raise ValueError(CANARY)

    __repr__ = __str__


class Nameless(type):
    def __getattribute__(cls, name: str) -> NoReturn:
        raise ValueError(name)


class WithoutName(Exception, metaclass=Nameless):
    pass


class Liar(Exception):
    @property
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise ValueError


class OwnStop(BaseException):
    pass


def deep() -> BaseException:
    error: BaseException = ValueError("the first")
    for _ in range(200):
        error, below = ExceptionGroup("a group", [error]), error  # type: ignore[list-item]
        error.__cause__ = below
    return error


def cyclic() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    return first


def with_state(state: object) -> DatabaseError:
    error = DatabaseError("odd driver")
    error.sqlstate = error.sqlite_errorcode = state  # type: ignore[attr-defined]
    return error


def with_notes(notes: object) -> Exception:
    error = ValueError("noted")
    error.__notes__ = notes  # type: ignore[assignment]
    return error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "mute": Mute,
    "nameless": lambda: WithoutName(),
    "liar": lambda: Liar(),
    "surrogates": lambda: ValueError("\ud800\0"),
    "long name": lambda: type("X" * 10_000, (Exception,), {})(),
    "group": lambda: ExceptionGroup("several", [ValueError("one"), JobFailed("two")]),
    "base group": lambda: BaseExceptionGroup("several", [KeyboardInterrupt(), Mute()]),
    "deep": deep,
    "cyclic": cyclic,
    "enormous": lambda: ValueError("x" * 5_000_000),
    "base exception": OwnStop,
    "system exit": lambda: SystemExit(Unspeakable()),
    "keyboard interrupt": KeyboardInterrupt,
    "generator exit": GeneratorExit,
    "stop iteration": StopIteration,
    "recursion": RecursionError,
    "memory": MemoryError,
    "odd state": lambda: with_state(42),
    "odd notes": lambda: with_notes(Unspeakable()),
    "unspeakable argument": lambda: ValueError(Unspeakable()),
}


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS.keys())
def test_whatever_an_action_raises_costs_its_job_one_attempt(
    make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
):
    ran, job = run_attempt(raising(make()))

    assert ran.outcome is Outcome.RETRYING
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 1, 0)
    assert 0 < len(last_event(job).detail) <= 20_000
    assert CANARY not in f"{job.errors}{last_event(job).note}{caplog.text}"


def test_an_action_that_recurses_too_deep_costs_its_job_one_attempt():
    def recurse(job: JobContext) -> None:
        recurse(job)

    ran, job = run_attempt(recurse)

    assert (ran.outcome, job.failures) == (Outcome.RETRYING, 1)


PLANTED = {
    "the name": (outcomes, "name_of"),
    "the traceback": (outcomes, "traceback_of"),
    "the kind of the error": (runner, "kind_of"),
    "the wait": (outcomes, "backoff"),
}


@pytest.mark.parametrize(("owner", "name"), PLANTED.values(), ids=PLANTED.keys())
def test_an_error_in_the_code_that_records_costs_the_job_an_attempt_and_is_not_raised(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
):
    calls: list[str] = []

    def fail_once(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        if len(calls) == 1:
            raise LookupError(CANARY)
        return real(*arguments, **options)

    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, fail_once)
    ran, job = run_attempt(raising(DatabaseError("any")))

    assert calls
    assert ran.outcome is Outcome.RETRYING
    assert (job.status, job.failures, job.crashes) == (Status.SCHEDULED, 1, 0)
    assert CANARY not in f"{job.errors}{last_event(job).note}"


@pytest.mark.parametrize("handler_error", [ValueError(), JobFailed("No."), None], ids=repr)
def test_a_job_that_can_in_no_way_be_recorded_is_left_to_the_rescuer_which_counts_a_crash(
    handler_error: Exception | None, monkeypatch: pytest.MonkeyPatch
):
    for name in ("complete", "fail", "retry_later", "release", "interrupt"):
        monkeypatch.setattr(transitions, name, raising(LookupError()))
    job = make_running_job(action="trial")
    lease = lease_of(job)

    ran, job = run_attempt(raising(handler_error) if handler_error else lambda context: None, job, lease)

    assert ran.outcome is Outcome.LOST
    assert lease.given_up.is_set()
    assert (job.status, job.begun_at is None) == (Status.RUNNING, False)


def test_so_it_is_with_a_job_past_its_deadline(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transitions, "retry_later", raising(LookupError()))
    job = make_running_job(action="touch")

    ran = runner.lose_attempt(job, lease=lease_of(job), worker=WORKER)

    assert ran.outcome is Outcome.LOST


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail
