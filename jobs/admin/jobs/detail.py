"""The page of one job: why it has its status, its progress, its history, and other jobs for the same reference."""

import json
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.db.models import F
from django.http import HttpRequest
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from ...db.clock import NOW
from ...erasure.declaration import What
from ...execution.chunks import stores_of
from ...models import Job
from ...services.search.staff_filter import parse_id
from ..base import display, masking
from ..base.display import CREATED
from . import state_sentence
from .interventions import InterventionsMixin
from .timeline import Hide, Timeline, timeline_of

OTHER_JOBS_SHOWN: Final = 10
COUNTS: Final = ("found", "done", "left")
WHAT_WORDS: Final[dict[str, Any]] = {
    What.ERASED: _("erased"),
    What.ANONYMISED: _("anonymised"),
    What.KEPT: _("kept"),
    What.SET_NULL: _("unlinked"),
    What.CALLED: _("function called"),
    What.REMOVED: _("files removed"),
}
PARAMETERS_CHARACTERS: Final = 6_000

START: Final = display.column(display.moment, "start_at", _("start"))
STARTED: Final = display.column(display.moment, "started_at", _("first claimed"))
BEGUN: Final = display.column(display.moment, "begun_at", _("attempt begun"))
PROGRESSED: Final = display.column(display.moment, "progress_at", _("last progress"))
FINISHED: Final = display.column(display.moment, "finished_at", _("finished"))
UPDATED: Final = display.column(display.moment, "updated_at", _("updated"))
ATTEMPT: Final = display.column(display.whole, "attempt", _("attempt"))
FAILURES: Final = display.column(display.whole, "failures", _("failed attempts"))
CRASHES: Final = display.column(display.whole, "crashes", _("workers lost"))
WORKER: Final = display.column(display.text, "worker", _("worker"))
LEASE: Final = display.column(display.moment, "lease_expires_at", _("lease expires"))


@admin.display(description=_("due"))
def due(job: Job) -> str:
    """Return when it may be claimed; a dash for a held job."""
    return display.NONE if job.is_held else display.moment(job.due_at)


class JobPageMixin(InterventionsMixin):
    """The page of a job; nothing on it can be edited."""

    fieldsets: ClassVar[Any] = (
        (_("Times"), {"fields": ((CREATED, START), (due, STARTED), (BEGUN, FINISHED), (UPDATED, PROGRESSED))}),
        (_("Counts"), {"fields": ((ATTEMPT, WORKER), (FAILURES, CRASHES), LEASE)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return flatten_fieldsets(self.fieldsets) if obj else ()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the job with its project, its organization and the database's time as ``read_at``, in one query."""
        job_id = parse_id(object_id)
        if job_id is None:
            return None
        jobs = self.get_queryset(request).select_related("project__organization").annotate(read_at=NOW)
        return jobs.filter(pk=job_id).first()

    def get_preserved_filters(self, request: HttpRequest) -> str:
        """Keep the list's filters in links, without a search term, which may be a reference."""
        kept = dict(parse_qsl(super().get_preserved_filters(request)))
        if "_changelist_filters" in kept:
            filters = [(name, value) for name, value in parse_qsl(kept["_changelist_filters"]) if name != "q"]
            kept = {"_changelist_filters": urlencode(filters)} if filters else {}
        return urlencode(kept)

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Add the job as ``page``; the form that adds one is Django's own."""
        context = super().form_context(request, row)
        return context if row is None else context | {"page": self._page_of(request, row)}

    def _page_of(self, request: HttpRequest, job: Any) -> dict[str, Any]:
        is_masked = masking.hides_reference(request.user, job)
        with_detail = request.user.has_perm(f"{self.opts.app_label}.view_job_detail")
        reference = job.reference_id

        def hide(text: str, by: str = "") -> str:
            return masking.reason_without_reference(text, by, reference) if is_masked else text

        timeline = timeline_of(job, with_detail=with_detail, hide=hide)
        retried_by = [self._link(pk) for pk in Job.objects.filter(retry_of=job.pk).values_list("pk", flat=True)]
        offered = self.interventions_for(request, job)
        return {
            "status": display.status(job.status),
            "why": state_sentence.why(job, now=job.read_at, timeline=timeline),
            # A job is retried once: a second retry would be refused.
            "interventions": [one for one in offered if not (retried_by and one["name"] == "retry")],
            "project": job.project,
            "organization": job.project.organization,
            "action": job.action,
            "reference": display.visible(masking.masked(reference) if is_masked else reference),
            "is_masked": is_masked,
            "description": masking.description_without_reference(job) if is_masked else job.description,
            "errors": hide(job.errors or ""),
            "parameters": "" if job.parameters is None or is_masked else _parameters(job),
            "withheld_parameters": masking.WITHHELD if is_masked and job.parameters is not None else "",
            "retry_of": job.retry_of_id and self._link(job.retry_of_id),
            "retried_by": retried_by,
            "others": self._other_jobs(job),
            "other_jobs_url": f"{self.url_of('changelist')}?{urlencode({'same_as': job.pk})}",
            **_progress_of(job),
            "receipt": _receipt_of(job, hide),
            **_history_of(request, timeline, with_detail=with_detail),
        }

    def _link(self, job_id: int) -> dict[str, Any]:
        return {"id": job_id, "url": self.url_of("change", quote(job_id))}

    def _other_jobs(self, job: Job) -> list[dict[str, Any]]:
        """Return the newest other jobs for the same reference, of all projects; none for a redacted job."""
        if not job.reference_id:
            return []
        same = Job.objects.filter(reference_id=job.reference_id).exclude(pk=job.pk)
        # An order that no index has: for its own, the planner might read all jobs until it has found enough.
        newest = same.order_by((F("pk") + 0).desc()).values("pk")[:OTHER_JOBS_SHOWN]
        rows = Job.objects.filter(pk__in=newest).order_by("-pk").select_related("project__organization")
        rows = rows.defer("description", "errors", "parameters", "receipt")
        return [
            {
                **self._link(other.pk),
                "status": display.status(other.status),
                "action": other.action,
                "project": other.project,
                "created": display.moment(other.created_at),
            }
            for other in rows
        ]


def _progress_of(job: Any) -> dict[str, Any]:
    """Return the progress and its rate."""
    pace = state_sentence.pace_of(job, now=job.read_at)
    return {
        "has_progress": job.progress_done > 0 or job.progress_total is not None,
        "progress": display.progress(job),
        "rate": pace and formats.number_format(round(pace.per_second, 1), decimal_pos=1, force_grouping=True),
        "ends_at": pace and pace.ends_at and display.moment(pace.ends_at),
        "ends_in": pace and pace.ends_at and display.duration(pace.ends_at - job.read_at),
    }


def _receipt_of(job: Job, hide: Hide) -> dict[str, Any]:
    """Return the receipt: by an erase map in the order of the map, with what was done to each store, and why."""
    lines = [
        {
            "store": hide(store),
            "kind": entry.get("what", ""),
            "what": WHAT_WORDS.get(entry.get("what", ""), ""),
            "because": hide(entry.get("because", "")),
            "columns": "",  # of a preview alone
            **{name: display.NONE if entry.get(name) is None else display.whole(entry[name]) for name in COUNTS},
        }
        for store, entry in stores_of(job.receipt)
    ]
    verified_at = job.receipt.get("verified_at")
    return {
        "lines": lines,
        "verified_at": verified_at and display.moment(datetime.fromisoformat(verified_at)),
        "plan": job.receipt.get("plan", ""),
        "is_changed": job.receipt.get("plan_changed", False),
        "found_nothing": job.receipt.get("found_nothing", False),
    }


def _history_of(request: HttpRequest, timeline: Timeline, *, with_detail: bool) -> dict[str, Any]:
    """Return the attempts, one page of the events, and the chosen traceback or the newest one."""
    page = min(max(1, parse_id(request.GET.get("events", "")) or 1), timeline.pages)
    attempt = parse_id(request.GET.get("attempt", ""))
    return {
        "attempts": timeline.attempts(),
        "traceback": timeline.traceback(attempt) if with_detail else None,
        "events": timeline.page(page),
        "newer": page - 1,
        "older": page + 1 if page < timeline.pages else 0,
        "is_cut": timeline.history.is_cut and page == timeline.pages,
        "events_read": len(timeline.history.events),
    }


def _parameters(job: Job) -> str:
    text = json.dumps(job.parameters, ensure_ascii=False, indent=2)
    return display.shortened(text, PARAMETERS_CHARACTERS)
