"""One sentence that says why a job has its status, and the rate of its progress."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ...models import Job, JobEvent
from ...services.reports.wait_reasons import WaitReason, explain_wait
from ...status import Status
from ..base import display
from .timeline import Timeline

What = JobEvent.What

# Over a shorter time, a rate means nothing.
LEAST_SPAN: Final = timedelta(seconds=1)
ERROR_CHARACTERS: Final = 300


def why(job: Job, *, now: datetime, timeline: Timeline) -> SafeString:
    """Return the sentence; ``now`` is the database's time."""
    explain = {
        Status.SCHEDULED: _why_waiting,
        Status.RUNNING: _why_running,
        Status.COMPLETED: _why_completed,
        Status.FAILED: _why_failed,
        Status.CANCELLED: _why_cancelled,
    }[Status(job.status)]
    return explain(job, now, timeline)


def _why_waiting(job: Job, now: datetime, timeline: Timeline) -> SafeString:
    wait = explain_wait(job, now=now)
    reason = None if wait is None else wait.reason
    since = _moment(None if wait is None else wait.since)
    if reason is WaitReason.HELD:
        held = timeline.last(What.HELD)
        return _by_somebody(
            held, timeline, since, _("Held by {who} since {at}; it waits until it is resumed."), _("Reason: {reason}")
        )
    if reason is WaitReason.START_TIME:
        return format_html(_("Waits for its start at {at}."), at=_moment(job.due_at))
    if reason is WaitReason.RETRY:
        text = _("Attempt {attempt} did not complete it; the next one is due at {at}.")
        return format_html(text, attempt=job.attempt, at=_moment(job.due_at))
    if reason is WaitReason.DISABLED:
        text = _("Its organization is disabled since {at}; none of its jobs is started until it is enabled again.")
        return format_html(text, at=since)
    if reason is WaitReason.PAUSED:
        return format_html(_("Paused since {at}; it waits until the pause is lifted."), at=since)
    if reason is WaitReason.WORKER and wait is not None and wait.since is None:
        return format_html(_("Due since {at}, but no worker has been seen."), at=_moment(job.due_at))
    if reason is WaitReason.WORKER:
        return format_html(
            _("Due since {due}, but no worker is alive; the last one was seen at {at}."),
            due=_moment(job.due_at),
            at=since,
        )
    return format_html(_("Due since {at}; it waits for its turn, and workers are alive."), at=_moment(job.due_at))


def _why_running(job: Job, now: datetime, timeline: Timeline) -> SafeString:
    facts = {"attempt": job.attempt, "worker": display.text(job.worker or display.NONE), "at": _moment(job.begun_at)}
    if job.lease_expires_at is not None and job.lease_expires_at < now:
        text = _(
            "Attempt {attempt} was with {worker}, which seems lost: its lease ran out at {at}. It will be rescued."
        )
        return format_html(text, **{**facts, "at": _moment(job.lease_expires_at)})
    if job.begun_at is None:
        return format_html(_("Attempt {attempt} was claimed by {worker} and waits there for a free thread."), **facts)
    if job.progress_at is None or job.progress_at < job.begun_at:
        return format_html(_("Attempt {attempt} runs on {worker} since {at}; no progress so far."), **facts)
    text = _("Attempt {attempt} runs on {worker} since {at}; its last progress was at {progress}.")
    return format_html(text, progress=_moment(job.progress_at), **facts)


def _why_completed(job: Job, now: datetime, timeline: Timeline) -> SafeString:
    if job.receipt.get("found_nothing"):
        return format_html(
            _("Completed at {at}, but nothing was found for its reference."), at=_moment(job.finished_at)
        )
    verified_at = job.receipt.get("verified_at")
    if not verified_at:
        return format_html(_("Completed at {at}."), at=_moment(job.finished_at))
    text = _("Completed at {at}; the last check, at {verified}, found nothing left.")
    verified = _moment(datetime.fromisoformat(verified_at))
    return format_html(text, at=_moment(job.finished_at), verified=verified)


def _why_failed(job: Job, now: datetime, timeline: Timeline) -> SafeString:
    error = display.shortened(display.first_line(timeline.hide(job.errors or "")), ERROR_CHARACTERS)
    text = _("Failed at {at}, with attempt {attempt}: {error}")
    return format_html(
        text, at=_moment(job.finished_at), attempt=job.attempt, error=display.text(error or display.NONE)
    )


def _why_cancelled(job: Job, now: datetime, timeline: Timeline) -> SafeString:
    cancelled = timeline.last(What.CANCELLED)
    return _by_somebody(
        cancelled, timeline, _moment(job.finished_at), _("Cancelled by {who} at {at}."), _("Reason: {reason}")
    )


def _by_somebody(event: Any, timeline: Timeline, at: Any, text: str, with_reason: str) -> SafeString:
    """Return who did it, when and why; the event is None if it is older than those read."""
    who = display.text(timeline.who(event.actor)) if event is not None else _("somebody")
    sentence = format_html(text, who=who, at=at)
    note = timeline.note(event) if event is not None else ""
    return format_html("{} {}", sentence, format_html(with_reason, reason=display.text(note))) if note else sentence


def _moment(at: datetime | None) -> SafeString | str:
    return display.NONE if at is None else display.moment(at)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The rate of a running job; ``ends_at`` is None if its total is unknown or reached."""

    per_second: float
    ends_at: datetime | None


def pace_of(job: Job, *, now: datetime) -> Pace | None:
    """Return the rate of a running job up to ``now``; None if it does not run, or has only just started.

    Progress adds up over attempts, so from the second attempt on it is divided by the time since the first
    claim. That includes waiting: the rate is too low rather than too high.
    """
    since = job.begun_at if job.attempt <= 1 else job.started_at
    if job.status != Status.RUNNING or since is None or not job.progress_done or now - since < LEAST_SPAN:
        return None
    per_second = job.progress_done / (now - since).total_seconds()
    left = 0 if job.progress_total is None else job.progress_total - job.progress_done
    try:
        ends_at = now + timedelta(seconds=left / per_second) if left > 0 else None
    except OverflowError:  # beyond the calendar
        ends_at = None
    return Pace(per_second=per_second, ends_at=ends_at)
