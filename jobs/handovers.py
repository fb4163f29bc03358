"""Which due jobs a dispatcher hands over next, and for how long it leaves them to the engine."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from django.db.models import Count

from . import clock, conf
from .actions import all_actions, queue_of
from .claims import Candidate, ClaimOrder, count_by_organization
from .database import home
from .models import Job, JobQuerySet, Pause, Paused

# So many wait in one queue of the engine, handed over and not yet claimed. More would be no faster, and would make
# an organization that comes later wait behind one that was first with thousands.
MOST_IN_FLIGHT: Final = 200
# A queue takes more when so much of it is free: few jobs at a time would cost a search each.
ROOM_WORTH_A_SEARCH: Final = MOST_IN_FLIGHT // 4
# A job that was handed over in vain again and again most likely waits in a long queue: each time it is left there
# for twice as long, up to so many times the first.
MOST_DOUBLINGS: Final = 4


class HandOverOrder(ClaimOrder):
    """The order in which a dispatcher hands jobs over: those that it is not waiting for already.

    ``full`` names actions whose queue has enough; what waits in an engine is served, too.
    """

    full: Collection[str] = ()

    def choose(self) -> list[Candidate]:
        """Return what to hand over now, in order: of each queue, as many as it has room for."""
        waiting = _in_flight_by_queue()
        full = {queue for queue, count in waiting.items() if count > MOST_IN_FLIGHT - ROOM_WORTH_A_SEARCH}
        self.full = [action.name for action in all_actions() if action.queue in full]
        chosen = []
        for candidate in self.candidates():
            queue = queue_of(candidate.action)
            if waiting[queue] < MOST_IN_FLIGHT:
                waiting[queue] += 1
                chosen.append(candidate)
        return chosen

    def _held_back(self) -> Paused:
        paused = super()._held_back()
        return replace(paused, actions=tuple({*paused.actions, *self.full}))

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


def _in_flight_by_queue() -> Counter[str]:
    """Count what was handed over and not yet claimed."""
    found: Counter[str] = Counter()
    counted = Job.objects.reserved().order_by().values_list("action").annotate(count=Count("pk"))
    for action, count in counted:
        found[queue_of(action)] += count
    return found
