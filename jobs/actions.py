"""Actions: the decorator ``@action`` and the registry of the functions that jobs run."""

import inspect
import re
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Generator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from string import Formatter
from typing import TYPE_CHECKING, Any, Final, Literal

from .exceptions import ActionMisused, ActionNameTaken, UnknownAction

if TYPE_CHECKING:
    from .execution.context import JobContext

Handler = Callable[["JobContext"], None]
Start = Literal["now", "next_midnight"] | timedelta

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
LONGEST: Final = timedelta(days=3650)
DEFAULT_MAX_ATTEMPTS: Final = 3
DEFAULT_BACKOFF: Final = timedelta(seconds=30)
DEFAULT_QUEUE: Final = "default"
# Names of queues that every broker accepts.
QUEUE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
MOST_PRIORITY: Final = 100
NOT_RUN: Final = "action {!r} {}, which does none of its work when it is called; write a plain function"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One registered action; see :func:`action` for what each field means."""

    name: str
    handler: Handler
    description: str
    public: bool
    unique: bool
    start: Start
    parameters: type[Any] | None
    max_attempts: int
    backoff: timedelta
    deadline: timedelta
    databases: frozenset[str]
    writes_outside: frozenset[str]
    queue: str
    priority: int
    replaces: bool = False

    def call(self, job: "JobContext") -> None:
        """Call the handler.

        Raises:
            ActionMisused: it returned an awaitable or a generator; a decorator can hide an async function.
        """
        call: Callable[[JobContext], object] = self.handler
        returned = call(job)
        if isinstance(returned, Coroutine | Generator):
            returned.close()  # otherwise Python warns of a coroutine that was never awaited
        if inspect.isawaitable(returned) or isinstance(returned, Generator | AsyncGenerator):
            raise ActionMisused(NOT_RUN.format(self.name, "returned an awaitable or a generator"))

    def describe(self, reference_id: str) -> str:
        """Return the description of a job for ``reference_id``, which is filled in as it is."""
        return self.description.format(reference_id=reference_id)


_registry: Final[dict[str, Action]] = {}


def action(
    name: str,
    *,
    description: str,
    public: bool = False,
    unique: bool = False,
    start: Start = "now",
    parameters: type[Any] | None = None,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    backoff: timedelta = DEFAULT_BACKOFF,
    deadline: timedelta = timedelta(minutes=10),
    databases: tuple[str, ...] = (),
    writes_outside: tuple[str, ...] = (),
    queue: str = DEFAULT_QUEUE,
    priority: int = 0,
    replaces: bool = False,
) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of jobs of this action.

    Args:
        name: lower-case letters, digits and ``_``, at most 100; stored in every job, so never rename it.
        description: a text for people; ``{reference_id}`` is filled in.
        public: integrators may schedule it over REST; otherwise only host code may.
        unique: at most one job per project and reference waits or runs.
        start: when a job starts if its creator gives no time: ``now``, ``next_midnight`` (UTC) or a delay.
        parameters: a REST framework serializer for the parameters of its jobs; without one, they have none.
        max_attempts: how many failures, and how many crashes, a job may have before it fails.
        backoff: the wait before the second attempt; doubles with each attempt, at most an hour, with jitter.
        deadline: how long it may go without progress (a chunk, or ``expect``) before it loses the attempt.
        databases: further database aliases it may write to, outside chunks and so at least once.
        writes_outside: tables that it may write to outside chunks, as for a log: not undone, and at least once.
        queue: the engine's queue to which ``jobdispatcher`` dispatches its jobs; no effect with ``jobworker``.
        priority: from -100 to 100, higher first, if the engine knows priorities; no effect with ``jobworker``.
        replaces: replaces the action that another app registers under this name, earlier or later.

    Raises:
        ActionMisused: an argument is wrong, or the decorated function is async or a generator.
        ActionNameTaken: another function has this name, and neither or both have ``replaces``.
    """
    _check(name, description, start, max_attempts, backoff, deadline)
    _check_engine(name, queue, priority)
    _check_names(name, databases=databases, writes_outside=writes_outside)

    make = partial(
        Action,
        name=name,
        description=description,
        public=public,
        unique=unique,
        start=start,
        parameters=parameters,
        max_attempts=max_attempts,
        backoff=backoff,
        deadline=deadline,
        databases=frozenset(databases),
        writes_outside=frozenset(writes_outside),
        queue=queue,
        priority=priority,
        replaces=replaces,
    )
    return lambda handler: _register(make(handler=handler))


def _register(new: Action) -> Handler:
    """Register ``new``, unless another app's action replaces it; return its handler."""
    _check_is_plain(new.name, new.handler)
    taken = _registry.get(new.name)
    if taken is not None and _origin(taken.handler) != _origin(new.handler):
        if taken.replaces == new.replaces:
            raise ActionNameTaken(new.name, first=_origin(taken.handler), second=_origin(new.handler))
        if taken.replaces:  # its app is earlier in INSTALLED_APPS
            return new.handler
    _registry[new.name] = new
    return new.handler


def get_action(name: str) -> Action:
    """Return the action called ``name``.

    Raises:
        UnknownAction: none is registered under it.
    """
    found = find_action(name)
    if found is None:
        raise UnknownAction(name)
    return found


def find_action(name: str) -> Action | None:
    """Return the action called ``name``, or None."""
    return _registry.get(name)


def max_attempts_of(name: str) -> int:
    """Return how many failures or crashes a job of this action may have; the default for an unknown action."""
    found = _registry.get(name)
    return DEFAULT_MAX_ATTEMPTS if found is None else found.max_attempts


def queue_of(name: str) -> str:
    """Return the engine's queue for jobs of this action; the default for an unknown action."""
    found = _registry.get(name)
    return DEFAULT_QUEUE if found is None else found.queue


def all_actions() -> list[Action]:
    """Return every registered action, by name."""
    return [_registry[name] for name in sorted(_registry)]


def _origin(handler: Handler) -> str:
    called = _innermost(handler)
    named = called if hasattr(called, "__qualname__") else type(called)
    return f"{named.__module__}.{named.__qualname__}"


def _check(
    name: str, description: str, start: Start, max_attempts: int, backoff: timedelta, deadline: timedelta
) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ActionMisused(f"action name {name!r} must be lower-case letters, digits and _, at most 100")
    for _, field, form, conversion in Formatter().parse(description):
        if field is not None and (field, form, conversion) != ("reference_id", "", None):
            raise ActionMisused(f"the description of {name!r} may only contain {{reference_id}}, not {{{field}}}")
    if start not in ("now", "next_midnight") and not _is_span(start, least=timedelta(0)):
        raise ActionMisused(f"start of {name!r} must be 'now', 'next_midnight' or a timedelta, not {start!r}")
    if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or not 1 <= max_attempts <= 1000:
        raise ActionMisused(f"max_attempts of {name!r} must be a whole number from 1 to 1000, not {max_attempts!r}")
    for what, span in (("backoff", backoff), ("deadline", deadline)):
        if not _is_span(span, least=timedelta(milliseconds=1)):
            raise ActionMisused(f"{what} of {name!r} must be a timedelta above 0, not {span!r}")


def _check_is_plain(name: str, handler: Handler) -> None:
    """Refuse a function whose call would run nothing of it, also below ``partial`` and ``__call__``."""
    called = _innermost(handler)
    if not inspect.isroutine(called) and not isinstance(called, type):
        called = type(called).__call__
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        raise ActionMisused(NOT_RUN.format(name, "is an async or generator function"))


def _innermost(handler: Handler) -> Any:
    """Return what the handler calls, below any ``partial``."""
    called: Any = handler
    while isinstance(called, partial):
        called = called.func
    return called


def _check_engine(name: str, queue: str, priority: int) -> None:
    if not isinstance(queue, str) or not QUEUE.fullmatch(queue):
        raise ActionMisused(f"queue of {name!r} must be letters, digits, '_', '.', ':' or '-', at most 100")
    if isinstance(priority, bool) or not isinstance(priority, int) or not -MOST_PRIORITY <= priority <= MOST_PRIORITY:
        raise ActionMisused(f"priority of {name!r} must be a whole number from -100 to 100, not {priority!r}")


def _check_names(name: str, **options: object) -> None:
    for option, names in options.items():
        if not isinstance(names, Collection) or isinstance(names, str) or not all(isinstance(it, str) for it in names):
            raise ActionMisused(f"{option} of {name!r} must be a tuple of names, not {names!r}")


def _is_span(span: object, *, least: timedelta) -> bool:
    return isinstance(span, timedelta) and least <= span <= LONGEST
