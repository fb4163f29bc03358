"""An action whose call would do nothing is refused: async functions and generators, however they are wrapped."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from jobs import JobContext
from jobs.actions import action, find_action
from jobs.exceptions import ActionMisused
from jobs.status import Status
from tests.support.execution import last_event, registered_action, run_attempt


async def sleeper(job: JobContext) -> None:
    raise AssertionError


def generator(job: JobContext) -> Iterator[None]:
    yield


async def async_generator(job: JobContext) -> AsyncIterator[None]:
    yield


class AsyncCall:
    async def __call__(self, job: JobContext) -> None:
        raise AssertionError

    async def method(self, job: JobContext) -> None:
        raise AssertionError

    @staticmethod
    def static(job: JobContext) -> Iterator[None]:
        yield


class GeneratorCall:
    def __call__(self, job: JobContext) -> Iterator[None]:
        yield


REFUSED: dict[str, Any] = {
    "async": sleeper,
    "generator": generator,
    "async generator": async_generator,
    "partial": functools.partial(sleeper),
    "partial of a partial": functools.partial(functools.partial(generator)),
    "object": AsyncCall(),
    "partial of an object": functools.partial(AsyncCall()),
    "object that generates": GeneratorCall(),
    "method": AsyncCall().method,
    "static method": AsyncCall.static,
    "lambda": lambda job: (yield),
}


@pytest.mark.parametrize("handler", REFUSED.values(), ids=REFUSED.keys())
def test_an_async_or_generator_function_is_refused_as_an_action(handler: Any):
    with pytest.raises(ActionMisused, match=r"'trial' is an async or generator function, .* write a plain function"):
        action("trial", description="Try")(handler)

    assert find_action("trial") is None


def hidden(handler: Callable[[JobContext], Any]) -> Callable[[JobContext], Any]:
    @functools.wraps(handler)
    def wrapper(job: JobContext) -> Any:
        return handler(job)

    return wrapper


@pytest.mark.django_db
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("handler", REFUSED.values(), ids=REFUSED.keys())
def test_a_decorator_that_hides_it_makes_the_attempt_fail(handler: Any):
    _, job = run_attempt(hidden(handler), max_attempts=1)

    assert (job.status, job.failures) == (Status.FAILED, 1)
    assert "'trial' returned an awaitable or a generator" in last_event(job).detail


@pytest.mark.django_db
def test_an_async_function_that_a_decorator_really_runs_is_an_action():
    ran: list[int] = []

    @async_to_sync
    async def note(job: JobContext) -> None:
        ran.append(job.id)

    _, job = run_attempt(note)

    assert (job.status, ran) == (Status.COMPLETED, [job.pk])


class PlainCall:
    def __call__(self, job: JobContext) -> None:
        pass

    def method(self, job: JobContext) -> None:
        pass


@pytest.mark.parametrize(
    "handler", [functools.partial(PlainCall()), PlainCall(), PlainCall().method, functools.partial(PlainCall().method)]
)
def test_objects_methods_and_partials_are_actions_and_may_register_twice(handler: Any):
    with registered_action(handler):
        action("trial", description="Try")(handler)
