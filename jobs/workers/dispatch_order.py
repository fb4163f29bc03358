"""Decides which due jobs the dispatcher dispatches next, and for how long each is reserved for the engine."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Any, ClassVar, Final

from django.db.models import Count, QuerySet

from .. import conf
from ..actions import all_actions, queue_of
from ..db import clock
from ..db.backoff import backoff
from ..db.connection import jobs_connection
from ..db.statements import Statement
from ..models import Job, JobQuerySet, Pause, Paused
from .claim_order import Candidate, ClaimOrder, count_by_organization, first_due, seconds_until

# The most jobs of one queue that are dispatched and not yet claimed. More would run no sooner, and the jobs of an
# organization that comes later would wait behind all of them.
MOST_IN_FLIGHT: Final = 200
# The room in a queue from which it gets jobs again: a search for a few jobs costs as much as one for many.
ROOM_WORTH_A_SEARCH: Final = MOST_IN_FLIGHT // 4
# How often at most a reservation is doubled. It grows with the time that a job has been due: a job that was dispatched
# and not claimed probably waits in a long queue.
MOST_DOUBLINGS: Final = 4
# The rest after a search that found little, as a multiple of its duration: a search that excludes actions reads all
# their due jobs. So searches keep the database busy for a fifth of the time.
REST_PER_SEARCH: Final = 4
LONGEST_REST_SECONDS: Final = 5.0


class QueueBackoff:
    """The queues of the engine that did not take their latest job; each has a back-off of its own."""

    def __init__(self) -> None:
        self.actions: set[str] = set()
        # By queue: its failures in a row, and until when (monotonic) it is excluded.
        self._queues: dict[str, tuple[int, float]] = {}

    def add_failure(self, action: str) -> None:
        """Exclude the queue of ``action`` for a while, which grows with each failure in a row."""
        self.actions.add(action)
        failures = self._queues.get(queue_of(action), (0, 0.0))[0] + 1
        self._queues[queue_of(action)] = failures, monotonic() + backoff(failures)

    def clear(self, action: str) -> None:
        """End the back-off of the queue of ``action``: it has taken a job."""
        self._queues.pop(queue_of(action), None)

    def excluded(self) -> dict[str, float]:
        """Return the queues to send nothing to now, and for how many seconds more."""
        now = monotonic()
        return {queue: until - now for queue, (_, until) in self._queues.items() if until > now}

    def to_try(self) -> set[str]:
        """Return the queues whose wait is over: each is sent one job, to see whether it takes jobs again."""
        return self._queues.keys() - self.excluded().keys()

    def seconds_to_next(self) -> float:
        """Return the seconds until the next queue is to be tried; infinite: none is excluded."""
        return min(self.excluded().values(), default=float("inf"))


class DispatchOrder(ClaimOrder):
    """Chooses the jobs to dispatch, in the order of :class:`ClaimOrder`, from those that are not reserved.

    Set by :meth:`choose`: ``excluded_actions``, whose queue is full or in back-off; ``has_room``, whether any
    queue is left; ``rest_seconds``, the time before the next search.
    """

    _window: ClassVar[Statement[Any]] = Statement(lambda: first_due(Job.objects.due().unreserved()))

    def __init__(self) -> None:
        super().__init__()
        self.queue_backoff = QueueBackoff()
        self.excluded_actions: Collection[str] = ()
        self.has_room = True
        self.rest_seconds = 0.0

    def choose(self) -> list[Candidate]:
        """Return the jobs to dispatch now, in order; for each queue, as many as it has room for."""
        by_action = dict(_IN_FLIGHT.run())
        in_flight: Counter[str] = Counter()
        for action, number in by_action.items():
            in_flight[queue_of(action)] += number
        self._exclude(in_flight, also_known={*by_action, *self.queue_backoff.actions})
        for queue in self.queue_backoff.to_try():
            in_flight[queue] = MOST_IN_FLIGHT - 1
        began, chosen = monotonic(), []
        for candidate in self.candidates() if self.has_room else ():
            queue = queue_of(candidate.action)
            if in_flight[queue] < MOST_IN_FLIGHT:
                in_flight[queue] += 1
                chosen.append(candidate)
        rest = min(REST_PER_SEARCH * (monotonic() - began), LONGEST_REST_SECONDS)
        self.rest_seconds = rest if self.excluded_actions and len(chosen) < ROOM_WORTH_A_SEARCH else 0.0
        return chosen

    def _exclude(self, in_flight: Counter[str], *, also_known: set[str]) -> None:
        """Exclude the actions of full queues and of those in back-off, also actions that are not registered here."""
        full = {queue for queue, number in in_flight.items() if number > MOST_IN_FLIGHT - ROOM_WORTH_A_SEARCH}
        closed = full | self.queue_backoff.excluded().keys()
        registered = {action.name for action in all_actions()}
        self.excluded_actions = [name for name in sorted(registered | also_known) if queue_of(name) in closed]
        self.has_room = not registered <= set(self.excluded_actions)

    def _paused(self) -> Paused:
        paused = super()._paused()
        return replace(paused, actions=tuple({*paused.actions, *self.excluded_actions}))

    def _due(self) -> JobQuerySet:
        return super()._due().unreserved()

    def _and_due_sql(self) -> tuple[str, tuple[Any, ...]]:
        now, params = clock.compiled(clock.compared(clock.NOW, jobs_connection()), jobs_connection())
        return f"AND (job.reserved_until IS NULL OR job.reserved_until <= {now})", tuple(params)

    def _running(self) -> Counter[Any]:
        """Count what waits in the engine as well."""
        return super()._running() + Counter(dict(_RESERVED.run()))


_RESERVED: Final[Statement[Any]] = Statement(lambda: count_by_organization(Job.objects.reserved()))


def by_doublings(candidates: Sequence[Candidate], now: datetime) -> dict[int, list[Candidate]]:
    """Group jobs by how often to double ``RESERVE_SECONDS`` for them: 0 times for one dispatched the first time."""
    first = conf.current().reserve
    groups: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        spans = int((now - candidate.due_at) / first) if candidate.reserved_until else 0
        groups[min(max(spans, 0).bit_length(), MOST_DOUBLINGS)].append(candidate)
    return groups


def seconds_to_next() -> float | None:
    """Return the seconds until the next job that is not paused can be dispatched (0: now); None: no such job waits."""
    paused = Pause.objects.in_force()
    if paused.has_any:
        waiting = paused.leave_out(Job.objects.waiting())
        rows = [*_first_unreserved(waiting), *_first_reserved(waiting)]
    else:
        rows = [*_FIRST_UNRESERVED.run(), *_FIRST_RESERVED.run()]
    return seconds_until(*(instant for (instant,) in rows))


def _first_unreserved(waiting: JobQuerySet) -> QuerySet[Job, Any]:
    return waiting.unreserved().order_by("due_at", "pk").values_list("due_at")[:1]


def _first_reserved(waiting: JobQuerySet) -> QuerySet[Job, Any]:
    return waiting.reserved().order_by("reserved_until").values_list("reserved_until")[:1]


# While queues are full, these run each time that the dispatcher asks for room.
_IN_FLIGHT: Final[Statement[Any]] = Statement(
    lambda: Job.objects.reserved().order_by().values_list("action").annotate(count=Count("pk"))
)
_FIRST_UNRESERVED: Final[Statement[Any]] = Statement(lambda: _first_unreserved(Job.objects.waiting()))
_FIRST_RESERVED: Final[Statement[Any]] = Statement(lambda: _first_reserved(Job.objects.waiting()))
