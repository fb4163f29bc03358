"""Which due jobs a dispatcher hands over next, and for how long it leaves them to the engine."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Any, Final

from django.db.models import Count

from .. import conf
from ..actions import all_actions, queue_of
from ..db import clock
from ..db.backoff import backoff
from ..db.connection import home
from ..models import Job, JobQuerySet, Pause, Paused
from .claim_order import Candidate, ClaimOrder, count_by_organization

# So many wait in one queue of the engine, handed over and not yet claimed. More would be no faster, and would make
# an organization that comes later wait behind one that was first with thousands.
MOST_IN_FLIGHT: Final = 200
# A queue takes more when so much of it is free: few jobs at a time would cost a search each.
ROOM_WORTH_A_SEARCH: Final = MOST_IN_FLIGHT // 4
# A job that was handed over in vain most likely waits in a long queue: the longer it has been due, the longer it is
# left there, up to so many doublings of the first time.
MOST_DOUBLINGS: Final = 4
# A search that leaves actions out reads through all that is due of these. One that found little is followed by a rest
# of so many times what it took, so that it keeps the database busy for a fifth of the time, but of 5 s at most.
REST_PER_SEARCH: Final = 4
LONGEST_REST_SECONDS: Final = 5.0


class QueueBackoff:
    """The queues that did not take a job when they were last sent one, each with a back-off of its own."""

    def __init__(self) -> None:
        self.actions: set[str] = set()
        self._in_a_row: Counter[str] = Counter()
        self._until: dict[str, float] = {}

    def note(self, action: str) -> None:
        """Leave the queue of ``action`` alone for a while, for longer each time in a row."""
        queue = queue_of(action)
        self.actions.add(action)
        self._in_a_row[queue] += 1
        self._until[queue] = monotonic() + backoff(self._in_a_row[queue])

    def forget(self, action: str) -> None:
        """The queue of ``action`` has taken a job."""
        queue = queue_of(action)
        self._in_a_row.pop(queue, None)
        self._until.pop(queue, None)

    def in_force(self) -> set[str]:
        """Return the queues to be left alone now."""
        now = monotonic()
        return {queue for queue, until in self._until.items() if until > now}

    def to_try(self) -> set[str]:
        """Return the queues to send one job to, to see whether they take it now."""
        return self._until.keys() - self.in_force()

    def seconds_to_next(self) -> float:
        """Return how long until a queue that is left alone is to be tried again; infinite: there is none."""
        now = monotonic()
        return min((until - now for until in self._until.values() if until > now), default=float("inf"))


class DispatchOrder(ClaimOrder):
    """The order in which a dispatcher hands jobs over: those that it is not waiting for already.

    ``left_out`` names actions whose queue has enough or refuses more; ``has_room`` says whether any queue is left;
    ``rest_seconds``, for how long to spare the database another search. What waits in an engine is served, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backoff_by_queue = QueueBackoff()
        self.left_out: Collection[str] = ()
        self.has_room = True
        self.rest_seconds = 0.0

    def choose(self) -> list[Candidate]:
        """Return what to hand over now, in order: of each queue, as many as it has room for."""
        by_action = _in_flight_by_action()
        waiting: Counter[str] = Counter()
        for action, number in by_action.items():
            waiting[queue_of(action)] += number
        self._leave_out(waiting, also_known={*by_action, *self.backoff_by_queue.actions})
        for queue in self.backoff_by_queue.to_try():
            waiting[queue] = MOST_IN_FLIGHT - 1
        began, chosen = monotonic(), []
        for candidate in self.candidates() if self.has_room else ():
            queue = queue_of(candidate.action)
            if waiting[queue] < MOST_IN_FLIGHT:
                waiting[queue] += 1
                chosen.append(candidate)
        rest = min(REST_PER_SEARCH * (monotonic() - began), LONGEST_REST_SECONDS)
        self.rest_seconds = rest if self.left_out and len(chosen) < ROOM_WORTH_A_SEARCH else 0.0
        return chosen

    def _leave_out(self, waiting: Counter[str], *, also_known: set[str]) -> None:
        """Close the queues that are full or refuse, also for actions that are not registered here."""
        full = {queue for queue, number in waiting.items() if number > MOST_IN_FLIGHT - ROOM_WORTH_A_SEARCH}
        closed = full | self.backoff_by_queue.in_force()
        registered = {action.name for action in all_actions()}
        self.left_out = [name for name in sorted(registered | also_known) if queue_of(name) in closed]
        self.has_room = not registered <= set(self.left_out)

    def _paused(self) -> Paused:
        paused = super()._paused()
        return replace(paused, actions=tuple({*paused.actions, *self.left_out}))

    def _due(self) -> JobQuerySet:
        return super()._due().unreserved()

    def _and_due_sql(self) -> tuple[str, tuple[Any, ...]]:
        now, params = clock.compiled(clock.compared(clock.NOW, home()), home())
        return f"AND (job.reserved_until IS NULL OR job.reserved_until <= {now})", tuple(params)

    def _served_now(self) -> Counter[Any]:
        return super()._served_now() + count_by_organization(Job.objects.reserved())


def by_patience(candidates: Sequence[Candidate], now: datetime) -> dict[int, list[Candidate]]:
    """Sort jobs by how often to double the time they are left to the engine: the longer they wait, the longer."""
    first = conf.current().reserve
    found: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        spans = int((now - candidate.due_at) / first) if candidate.was_reserved else 0
        found[min(max(spans, 0).bit_length(), MOST_DOUBLINGS)].append(candidate)
    return found


def seconds_to_next() -> float | None:
    """Return how long until a job is to be handed over that is not held back; None: none waits."""
    waiting = Pause.objects.in_force().leave_out(Job.objects.waiting())
    due_at = waiting.unreserved().order_by("due_at", "pk").values_list("due_at", flat=True).first()
    lapses_at = waiting.reserved().order_by("reserved_until").values_list("reserved_until", flat=True).first()
    instants = [instant for instant in (due_at, lapses_at) if instant is not None]
    return max(0.0, (min(instants) - clock.read(home())).total_seconds()) if instants else None


def _in_flight_by_action() -> dict[str, int]:
    """Count what was handed over and not yet claimed."""
    return dict(Job.objects.reserved().order_by().values_list("action").annotate(count=Count("pk")))
