"""The history of a job for staff: events with their actors by name, attempts, and the traceback of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q
from django.db.models.functions import Substr
from django.utils.translation import gettext as _

from ...models import Job, JobEvent
from ...services.reports.history import WITH_REASON, Attempt, History, read_history
from ..base import display
from ..base.actors import in_words, names_of

What = JobEvent.What
Hide = Callable[..., str]
"""Masks the job's reference in a text, for users who may not see it; the second argument is who gave it as a reason."""

EVENTS_ON_PAGE: Final = 30
ATTEMPTS_SHOWN: Final = 10
NOTE_CHARACTERS: Final = 500
MAX_REFERENCE_CHARACTERS: Final = 256
CHARACTERS_READ: Final = NOTE_CHARACTERS + 2 * MAX_REFERENCE_CHARACTERS
# Of the newest traceback only the end is shown, where the error is; of one that the user chose, all.
TRACEBACK_CHARACTERS: Final = 4_000
ERROR_CHARACTERS: Final = 160


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A job's history as its page shows it, the newest first."""

    job: Job
    history: History
    names: dict[str, str]
    """User names of the staff among the actors."""
    hide: Hide

    @property
    def rows(self) -> Sequence[Any]:
        """The events, the newest first."""
        return self.history.events[::-1]

    def who(self, actor: str) -> str:
        return in_words(actor, self.names)

    def last(self, what: str) -> Any | None:
        return next((row for row in self.rows if row.what == what), None)

    def page(self, number: int) -> list[dict[str, Any]]:
        """Return the events of one page; the first page is number 1."""
        return [self._line(row) for row in self.rows[(number - 1) * EVENTS_ON_PAGE : number * EVENTS_ON_PAGE]]

    @property
    def pages(self) -> int:
        """The number of pages, at least one."""
        return max(1, -(-len(self.history.events) // EVENTS_ON_PAGE))

    def attempts(self) -> list[dict[str, Any]]:
        """Return the newest attempts and how each ended."""
        return [self._attempt(attempt) for attempt in self.history.attempts[: -ATTEMPTS_SHOWN - 1 : -1]]

    def traceback(self, attempt: int | None) -> dict[str, Any] | None:
        """Return the traceback of one attempt, or of the newest attempt that has one; None if there is none."""
        row = next((row for row in self.rows if row.has_detail and attempt in (None, row.attempt)), None)
        if row is None:
            return None
        text = str(JobEvent.objects.using(self.job._state.db).values_list("detail", flat=True).get(pk=row.pk))
        is_cut = attempt is None and len(text) > TRACEBACK_CHARACTERS
        return {
            "attempt": row.attempt,
            "text": self.hide(text)[-TRACEBACK_CHARACTERS:] if is_cut else self.hide(text),
            "is_cut": is_cut,
            "is_open": attempt is not None,
        }

    def note(self, row: Any) -> str:
        """Return the beginning of an event's note."""
        text = self.hide(row.brief, row.actor if row.what in WITH_REASON else "")
        # What was read may end within a reference, which would not be masked then.
        whole = text[:-MAX_REFERENCE_CHARACTERS] if len(row.brief) == CHARACTERS_READ else text
        return display.shortened(whole, NOTE_CHARACTERS)

    def _line(self, row: Any) -> dict[str, Any]:
        return {
            "at": display.moment(row.at),
            "what": display.EVENT_WORDS.get(What(row.what), row.what),
            "status": display.status(row.to_status),
            "attempt": row.attempt,
            "actor": self.who(row.actor),
            "request_id": self.hide(row.request_id),
            # A reason is shown in full; an error only in part, as it is shown with its attempt too.
            "note": self.note(row) if row.what in WITH_REASON else display.shortened(self.note(row), ERROR_CHARACTERS),
        }

    def _attempt(self, attempt: Attempt) -> dict[str, Any]:
        claimed, ended = attempt.claimed, attempt.ended
        began = {"number": attempt.number, "at": display.moment(claimed.at), "worker": claimed.actor.partition(":")[2]}
        if ended is None:
            return {**began, "outcome": _("running")}
        error = display.first_line(self.note(ended)) if attempt.has_error else ""
        return {
            **began,
            "outcome": display.EVENT_WORDS[What(ended.what)],
            "took": display.duration(ended.at - claimed.at),
            "error": display.shortened(error, ERROR_CHARACTERS),
            "has_traceback": ended.has_detail,  # type: ignore[attr-defined]  # annotated by `timeline_of`
        }


def timeline_of(job: Job, *, with_detail: bool, hide: Hide) -> Timeline:
    """Read the events in one query and the names of staff in another; no traceback is read."""
    has_detail: Any = ~Q(detail="") if with_detail else Q(pk__isnull=True)
    events = job.events.defer("note", "detail")
    history = read_history(events.annotate(brief=Substr("note", 1, CHARACTERS_READ), has_detail=has_detail))
    return Timeline(job=job, history=history, names=names_of(event.actor for event in history.events), hide=hide)
