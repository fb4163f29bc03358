"""How the admin shows values: instants, durations, counts, statuses, and texts that others wrote.

Such texts are escaped, and ``<bdi>`` keeps their direction of writing from the page around them.
"""

import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...models import Job, JobEvent
from ...status import Status

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

NONE: Final = "–"
# Categories of Unicode: controls and formats, which turn the direction too, what has no meaning, and spaces.
UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
# Letters and marks that are drawn as nothing.
UNSEEN_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

STATUS_WORDS: Final = {
    Status.SCHEDULED: _("scheduled"),
    Status.RUNNING: _("running"),
    Status.COMPLETED: _("completed"),
    Status.FAILED: _("failed"),
    Status.CANCELLED: _("cancelled"),
}
# Shown beside the word, so that nothing depends on colour.
STATUS_MARKS: Final = {
    Status.SCHEDULED: "○",
    Status.RUNNING: "▶",
    Status.COMPLETED: "✓",
    Status.FAILED: "✗",
    Status.CANCELLED: "⊘",
}
EVENT_WORDS: Final = {
    JobEvent.What.SCHEDULED: _("scheduled"),
    JobEvent.What.CLAIMED: _("claimed by a worker"),
    JobEvent.What.RELEASED: _("handed back by its worker"),
    JobEvent.What.RETRYING: _("attempt failed, will be tried again"),
    JobEvent.What.RESCUED: _("rescued from a lost worker"),
    JobEvent.What.COMPLETED: _("completed"),
    JobEvent.What.FAILED: _("failed"),
    JobEvent.What.CANCELLED: _("cancelled"),
    JobEvent.What.HELD: _("held by staff"),
    JobEvent.What.RESUMED: _("resumed by staff"),
    JobEvent.What.ADVANCED: _("made due at once"),
    JobEvent.What.RETRIED: _("retried by another job"),
}

Column = Callable[[Any], str]


def column(show: Callable[[Any], str], name: str, title: "_StrPromise") -> Column:
    """Return a read-only column that shows the field ``name`` by ``show``; null and "" are shown as a dash."""

    @admin.display(description=title)
    def shown(row: Any) -> str:
        value = getattr(row, name)
        return NONE if value is None or value == "" else show(value)

    shown.__name__ = name
    return shown


def moment(value: datetime) -> SafeString:
    """Return an instant to the second, with its time zone, so that it can be compared with logs."""
    return format_html('<time class="jobs-moment" datetime="{}">{}</time>', value.isoformat(), exact(value))


def exact(value: datetime) -> str:
    """Return the same as plain text."""
    return str(formats.date_format(timezone.localtime(value), "Y-m-d H:i:s T"))


def brief_moment(value: datetime) -> SafeString:
    """Return an instant for a list; the time zone is a tooltip."""
    local = timezone.localtime(value)
    markup = '<time class="jobs-moment" datetime="{}" title="{}">{}</time>'
    return format_html(markup, value.isoformat(), local.tzname(), formats.date_format(local, "Y-m-d H:i:s"))


def text(value: str) -> SafeString:
    """Return a text that others wrote, with its line breaks."""
    return format_html('<bdi class="jobs-text">{}</bdi>', value)


def visible(value: str) -> SafeString:
    """Return a text that can be told from any other: characters that cannot be seen are shown by number."""
    return format_html_join("", "{}", ((_visible(value, at),) for at in range(len(value))))


def _visible(value: str, at: int) -> str:
    character = value[at]
    is_plain_space = character == " " and 0 < at < len(value) - 1
    is_seen = unicodedata.category(character) not in UNSEEN and character not in UNSEEN_LETTERS
    if is_plain_space or is_seen:
        return character
    return format_html('<code class="jobs-unseen">{}</code>', f"U+{ord(character):04X}")


def named(row: object) -> SafeString:
    """Return the name of another row."""
    return text(str(row))


# Columns of several models.
NAME: Final = column(text, "name", _("name"))
ORGANIZATION: Final = column(named, "organization", _("organization"))
CREATED: Final = column(moment, "created_at", _("created"))
CREATED_BRIEFLY: Final = column(brief_moment, "created_at", _("created"))


def whole(value: int) -> str:
    """Return a whole number with its thousands grouped."""
    return str(formats.number_format(value, force_grouping=True))


def bounded_count(count: int, *, at_least: bool) -> str:
    """Return e.g. ``9,876``, or ``10,000+`` if ``count`` is only the least number."""
    return translated("%(number)s+") % {"number": whole(count)} if at_least else whole(count)


def count_up_to(limit: int, count: int) -> str:
    """Return the same of a count that stopped at ``limit + 1``."""
    return bounded_count(min(count, limit), at_least=count > limit)


def percent(value: float, *, decimals: int = 0) -> str:
    """Return a percentage; a no-break space keeps the sign on the number's line."""
    return f"{formats.number_format(value, decimals)}\N{NO-BREAK SPACE}%"


def status(value: str) -> SafeString:
    """Return a status as mark and word."""
    known = Status(value)
    return state_mark(value, STATUS_MARKS[known], STATUS_WORDS[known])


def state_mark(kind: str, mark: str, word: "_StrPromise") -> SafeString:
    """Return a mark and a word in the colour of the status ``kind``."""
    markup = '<span class="jobs-status jobs-status-{}"><span aria-hidden="true">{}</span> {}</span>'
    return format_html(markup, kind, mark, word)


@admin.display(description=_("progress"))
def progress(job: Job) -> str:
    """Return the progress as a bar and numbers."""
    done, total = job.progress_done, job.progress_total
    if total is None:
        return translated("%(done)s done") % {"done": whole(done)}
    words = translated("%(done)s of %(total)s") % {"done": whole(done), "total": whole(total)}
    if total == 0:
        return words
    done_percent = min(100, 100 * done // total)
    bar = '<progress class="jobs-progress" max="100" value="{}" aria-label="{}"></progress> {} ({})'
    return format_html(bar, done_percent, translated("progress"), words, percent(done_percent))


def first_line(value: str) -> str:
    """Return the first line that is not blank."""
    return next((line.strip() for line in value.splitlines() if line.strip()), "")


def shortened(value: str, characters: int) -> str:
    """Return the text; if it is longer, its first ``characters`` and an ellipsis."""
    return value if len(value) <= characters else f"{value[:characters]}…"


MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def duration(value: timedelta) -> str:
    """Return e.g. ``12 ms``, ``1.4 s``, ``35 s``, ``4 min``, ``2 h 5 min`` or ``3 d 4 h``; negative ones are 0."""
    seconds = max(0.0, value.total_seconds())
    tenths = round(seconds, 1)
    if 0 < round(seconds * 1000) < 1000:
        return _("%(n)s ms") % {"n": round(seconds * 1000)}
    if tenths < 10:
        return _("%(n)s s") % {"n": formats.number_format(tenths, 0 if tenths.is_integer() else 1)}
    whole = round(seconds)
    if whole < MINUTE:
        return _("%(n)s s") % {"n": whole}
    if whole < 10 * MINUTE and whole % MINUTE:
        return _("%(n)s min %(rest)s s") % {"n": whole // MINUTE, "rest": whole % MINUTE}
    if whole < HOUR:
        return _("%(n)s min") % {"n": whole // MINUTE}
    if whole < DAY:
        rest = whole % HOUR // MINUTE
        return (_("%(n)s h %(rest)s min") if rest else _("%(n)s h")) % {"n": whole // HOUR, "rest": rest}
    rest = whole % DAY // HOUR
    return (_("%(n)s d %(rest)s h") if rest else _("%(n)s d")) % {"n": whole // DAY, "rest": rest}


def rough_duration(value: timedelta) -> str:
    """Return the same in its largest unit, rounded down, from one second on: ``3 d``, ``2 h``, ``4 min``."""
    seconds = max(0, int(value.total_seconds()))
    unit = next((unit for unit in (DAY, HOUR, MINUTE) if seconds >= unit), 1)
    return duration(timedelta(seconds=seconds - seconds % unit))
