"""What happened to a job, as staff see it: its events, the attempts among them, and who was at work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q
from django.db.models.functions import Substr
from django.utils.translation import gettext as _

from ...models import Job, JobEvent
from ...status import Status
from ..base import display
from ..base.actors import in_words, names_of
from ..base.display import spoken

What = JobEvent.What
Hide = Callable[[str], str]
"""What is done to a text that may say whom the job is about, before it is shown."""

EVENTS_READ: Final = 200
EVENTS_ON_PAGE: Final = 30
ATTEMPTS_SHOWN: Final = 10
NOTE_CHARACTERS: Final = 500
MAX_REFERENCE_CHARACTERS: Final = 256
CHARACTERS_READ: Final = NOTE_CHARACTERS + 2 * MAX_REFERENCE_CHARACTERS
# Unless it was asked for, only the end of a traceback is shown, where the error is.
TRACEBACK_CHARACTERS: Final = 4_000
ERROR_CHARACTERS: Final = 160
REASONED: Final = (What.SCHEDULED, What.CANCELLED, What.HELD, What.RESUMED, What.ADVANCED, What.RETRIED)
WITH_ERROR: Final = (What.FAILED, What.RETRYING, What.RESCUED)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The newest ``EVENTS_READ`` events of a job, the newest first."""

    job: Job
    rows: Sequence[Any]
    is_cut: bool
    names: dict[str, str]
    """Of the members of staff among the actors."""
    hide: Hide

    def who(self, actor: str) -> str:
        """Return the words for an actor."""
        return in_words(actor, self.names)

    def last(self, *whats: str) -> Any | None:
        """Return the newest event of one of these kinds."""
        return next((row for row in self.rows if row.what in whats), None)

    def page(self, number: int) -> list[dict[str, Any]]:
        """Return the lines of one page, the first being number 1."""
        rows = self.rows[(number - 1) * EVENTS_ON_PAGE : number * EVENTS_ON_PAGE]
        return [self._line(row) for row in rows]

    @property
    def pages(self) -> int:
        """How many pages there are, one at least."""
        return max(1, -(-len(self.rows) // EVENTS_ON_PAGE))

    def attempts(self) -> list[dict[str, Any]]:
        """Return the newest attempts, the newest first, with how each ended."""
        found: dict[int, dict[str, Any]] = {}
        for row in reversed(self.rows):
            if row.what == What.CLAIMED:
                worker = row.actor.partition(":")[2]
                began = {"number": row.attempt, "began": row.at, "at": display.moment(row.at), "worker": worker}
                found[row.attempt] = {**began, "outcome": _("running")}
            elif row.from_status == Status.RUNNING and row.attempt in found:
                found[row.attempt] |= self._end(row, found[row.attempt]["began"])
        return [found[number] for number in sorted(found, reverse=True)[:ATTEMPTS_SHOWN]]

    def traceback(self, attempt: int | None) -> dict[str, Any] | None:
        """Return the traceback of one attempt, or of the newest that has one; None: there is none."""
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

    def _line(self, row: Any) -> dict[str, Any]:
        return {
            "at": display.moment(row.at),
            "what": display.EVENT_WORDS.get(What(row.what), row.what),
            "status": display.status(row.to_status),
            "attempt": row.attempt,
            "actor": self.who(row.actor),
            "request_id": self.hide(row.request_id),
            # The whole reason that somebody gave; of an error the beginning, as its attempt is told above.
            "note": self.note(row) if row.what in REASONED else display.shortened(self.note(row), ERROR_CHARACTERS),
        }

    def _end(self, row: Any, began: Any) -> dict[str, Any]:
        error = display.first_line(self.note(row)) if row.what in WITH_ERROR else ""
        error = display.shortened(error, ERROR_CHARACTERS)
        return {
            "outcome": display.EVENT_WORDS[What(row.what)],
            "took": spoken(row.at - began),
            "error": error,
            "has_traceback": row.has_detail,
        }

    def note(self, row: Any) -> str:
        """Return what was noted with an event, but for the end of a long text."""
        text = self.hide(row.brief)
        # What was read may end within a reference, of which the first part would be shown.
        whole = text[:-MAX_REFERENCE_CHARACTERS] if len(row.brief) == CHARACTERS_READ else text
        return display.shortened(whole, NOTE_CHARACTERS)


def timeline_of(job: Job, *, with_detail: bool, hide: Hide) -> Timeline:
    """Read the events in one query, and in another the names of staff; tracebacks are not even read."""
    has_detail: Any = ~Q(detail="") if with_detail else Q(pk__isnull=True)
    rows = job.events.order_by("-pk").defer("note", "detail")
    rows = rows.annotate(brief=Substr("note", 1, CHARACTERS_READ), has_detail=has_detail)
    newest = list(rows[: EVENTS_READ + 1])
    shown_rows = newest[:EVENTS_READ]
    names = names_of(row.actor for row in shown_rows)
    return Timeline(job=job, rows=shown_rows, is_cut=len(newest) > EVENTS_READ, names=names, hide=hide)
