"""The overview page: health, charts of ended jobs, workers, failures and pauses."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern
from django.utils import formats, timezone
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ...services.reports.health import MOST_COUNTED, Bounds, Health, HealthProblem
from ...services.reports.overview import SPANS, Overview, Period, get_overview
from ...status import Status
from ..base import display
from ..base.masking import HIDDEN, masked, without_reference
from ..base.read_only import ReadOnlyMixin
from ..pauses import scope_words
from . import charts
from .charts import Chart, Frame, Series

DEFAULT_SPAN: Final = "24h"
SPAN_WORDS: Final = {"1h": _("Last hour"), "24h": _("Last 24 hours"), "7d": _("Last 7 days")}
REFRESH_SECONDS: Final = "30"
ERROR_CHARACTERS: Final = 200
JOBS_OF_A_WORKER: Final = 5

COUNTED: Final = {Status.COMPLETED: "completed", Status.CANCELLED: "cancelled", Status.FAILED: "failed"}


@dataclass(frozen=True, kw_only=True)
class OverviewQuery:
    """The query of the page's URL; unknown values are replaced by the defaults."""

    span: str
    refresh: str

    @classmethod
    def of(cls, request: HttpRequest) -> "OverviewQuery":
        span, refresh = request.GET.get("span", ""), request.GET.get("refresh", "")
        return cls(span=span if span in SPANS else DEFAULT_SPAN, refresh=refresh if refresh == REFRESH_SECONDS else "")

    def query(self, **changes: str) -> str:
        """Return the query as it stands in a URL, with ``changes``."""
        wanted = {"span": self.span, "refresh": self.refresh, **changes}
        return "?" + "&".join(f"{name}={value}" for name, value in wanted.items() if value)


class OverviewMixin(ReadOnlyMixin):
    """Adds the overview page."""

    def button_urls(self) -> list[URLPattern]:
        return [self.page_url("overview", self.overview_view), *super().button_urls()]

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """Show the overview to users who may view jobs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        asked = OverviewQuery.of(request)
        overview = get_overview(SPANS[asked.span])
        context = {
            "original": translated("Overview"),
            "asked": asked,
            "jobs_url": self.url_of("changelist"),
            **_controls(asked),
            **_now(overview),
            **_then(overview),
            "workers": [_worker(worker, overview) for worker in overview.workers],
            "dispatchers": [
                {"name": beat.worker, "beat": _seconds(beat.seconds)} for beat in overview.health.dispatchers
            ],
            "failures": [_failure(failure) for failure in overview.failures],
            "pauses": [
                {"scope": scope_words(pause), "reason": pause.reason, "at": display.moment(pause.created_at)}
                for pause in overview.health.pauses
            ],
            "overview": overview,
        }
        return self.page(request, "admin/jobs/job/overview.html", title=translated("Overview of jobs"), **context)


def _controls(asked: OverviewQuery) -> dict[str, Any]:
    """Return the links to other spans of time, and to refreshing."""
    spans = [
        {"words": words, "query": asked.query(span=name), "is_current": name == asked.span}
        for name, words in SPAN_WORDS.items()
    ]
    toggle = asked.query(refresh="" if asked.refresh else REFRESH_SECONDS)
    return {"spans": spans, "span_words": SPAN_WORDS[asked.span], "toggle_query": toggle}


def _now(overview: Overview) -> dict[str, Any]:
    """Return the present state: problems, counts by status, and the oldest jobs."""
    health = overview.health
    return {
        "checked_at": display.moment(health.checked_at),
        "problems": [_sentence(problem, health) for problem in health.problems(Bounds())],
        "statuses": [
            {"status": status.value, "shown": display.status(status), "count": display.count_up_to(MOST_COUNTED, count)}
            for status, count in overview.by_status.items()
        ],
        "oldest": [
            {"words": words, "job": late, "for": display.duration(timedelta(seconds=late.seconds)), "joined": joined}
            for words, late, joined in (
                (_("Oldest job that is due"), health.oldest_overdue, _("overdue for")),
                (_("Oldest job that is due but paused"), health.oldest_paused, _("overdue for")),
                (_("Job that has been running longest"), health.oldest_running, _("running for")),
            )
            if late is not None
        ],
    }


def _sentence(problem: HealthProblem, health: Health) -> str:
    bounds, overdue = Bounds(), health.oldest_overdue
    if problem is HealthProblem.OVERDUE and overdue is not None:
        words = translated(
            "Job %(job)s (%(action)s) should have started %(time)s ago; %(bound)s would be usual at most."
        )
        times = {"time": _seconds(overdue.seconds), "bound": _seconds(bounds.max_overdue)}
        return words % {"job": overdue.job_id, "action": overdue.action, **times}
    if problem is HealthProblem.WORKERS:
        alive = health.alive(bounds)
        if alive == 0:
            words = translated("No worker is alive: none has sent a heartbeat in the last %(time)s.")
        else:
            words = ngettext("Only %(alive)s worker is alive.", "Only %(alive)s workers are alive.", alive)
        return words % {"alive": alive, "time": _seconds(bounds.max_beat_age)}
    if problem is HealthProblem.IDLE:
        words = translated("Jobs are due and workers are alive, but for %(time)s no job has ended or advanced.")
        return words % {"time": _seconds(health.idle_seconds)}
    if problem is HealthProblem.DISPATCHERS:
        return translated("No dispatcher is alive, so no job is dispatched to its engine.")
    if problem is HealthProblem.UNRESCUED:
        words = ngettext(
            "%(count)s job was lost by its worker and has not been rescued.",
            "%(count)s jobs were lost by their workers and have not been rescued.",
            health.unrescued,
        )
        return words % {"count": display.whole(health.unrescued)}
    words = ngettext(
        "%(count)s job failed in the last hour.", "%(count)s jobs failed in the last hour.", health.failures
    )
    return words % {"count": display.count_up_to(MOST_COUNTED, health.failures)}


def _then(overview: Overview) -> dict[str, Any]:
    """Return the jobs that ended in the span: charts, a table of the same numbers, and the total."""
    periods = overview.periods
    times = [_time(period.since, overview) for period in periods]
    lines = [_line(period) for period in periods]
    middle = periods[0].since + (periods[-1].until - periods[0].since) / 2
    return {
        "charts": _charts(periods, lines, times),
        "axis": [times[0], _time(middle, overview), translated("now")],
        "lines": [{"time": display.moment(period.since), **line} for period, line in zip(periods, lines, strict=True)],
        "total": _line(overview.total),
        "since": display.moment(overview.total.since),
        "incomplete_since": overview.incomplete_since and display.moment(overview.incomplete_since),
        "complete_again": overview.complete_again and display.moment(overview.complete_again),
    }


def _line(period: Period) -> dict[str, str]:
    counts, share = period.counts, period.failure_share
    return {
        "ended": display.whole(counts.ended),
        **{name: display.whole(getattr(counts, name)) for name in COUNTED.values()},
        "share": display.NONE if share is None else display.percent(100 * share, decimals=1),
        **{
            name: display.NONE if (value := getattr(period, name)) is None else display.duration(value)
            for name in ("wait_median", "wait_p95", "run_median", "run_p95")
        },
    }


def _charts(periods: Any, lines: list[dict[str, str]], times: list[str]) -> list[Chart]:
    def series(kind: str, mark: str, label: Any, values: list[Any]) -> Series:
        words = [line[kind] for line in lines]
        return Series(kind=kind.replace("_", "-"), mark=mark, label=label, values=values, words=words)

    def durations(name: str) -> list[Series]:
        return [
            series(f"{name}_median", "", _("half within"), [getattr(period, f"{name}_median") for period in periods]),
            series(f"{name}_p95", "", _("95 % within"), [getattr(period, f"{name}_p95") for period in periods]),
        ]

    outcomes = [
        series(
            name, display.STATUS_MARKS[status], display.STATUS_WORDS[status], [getattr(p.counts, name) for p in periods]
        )
        for status, name in COUNTED.items()
    ]
    failed = [series("share", "", _("failed"), [period.failure_share for period in periods])]
    ended = Frame(
        name="ended", title=_("Ended jobs"), note=_("By outcome; the last period is not over yet."), times=times
    )
    share = Frame(name="share", title=_("Share of failures"), note=_("Cancelled jobs are left out."), times=times)
    wait_note = _("From the requested start to the first claim, approximately.")
    wait = Frame(name="wait", title=_("Wait"), note=wait_note, times=times)
    run_note = _("Of the last attempt, approximately. Cancelled jobs are left out.")
    run = Frame(name="run", title=_("Run time"), note=run_note, times=times)
    return [
        charts.bars(ended, outcomes),
        charts.shares(share, failed),
        charts.durations(wait, durations("wait")),
        charts.durations(run, durations("run")),
    ]


def _worker(worker: Any, overview: Overview) -> dict[str, Any]:
    now = overview.health.checked_at
    jobs = [
        {"id": job.job_id, "action": job.action, "for": job.begun_at and display.duration(now - job.begun_at)}
        for job in worker.jobs[:JOBS_OF_A_WORKER]
    ]
    return {
        "name": worker.name,
        "is_alive": worker.is_alive,
        "beat": None if worker.beat_seconds is None else _seconds(worker.beat_seconds),
        "started_at": worker.started_at and display.moment(worker.started_at),
        "jobs": jobs,
        "more": len(worker.jobs) - len(jobs),
    }


def _failure(failure: Any) -> dict[str, Any]:
    error = without_reference(failure.error, failure.reference)
    if failure.reference:  # hide its first letter too
        error = error.replace(masked(failure.reference), HIDDEN)
    return {
        "id": failure.job_id,
        "action": failure.action,
        "project": failure.project,
        "at": display.moment(failure.finished_at),
        "error": display.shortened(error, ERROR_CHARACTERS),
    }


def _seconds(seconds: float) -> str:
    """Return a duration that health reports in seconds; from one second on, without fractions."""
    return display.duration(timedelta(seconds=round(seconds) if seconds >= 1 else seconds))


def _time(moment: datetime, overview: Overview) -> str:
    """Return the time of an instant, with the day if the span is longer than one."""
    within_a_day = overview.total.until - overview.total.since < timedelta(days=2)
    return formats.date_format(timezone.localtime(moment), "H:i" if within_a_day else "D H:i")
