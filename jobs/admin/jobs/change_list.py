"""The jobs list at any size: what the filters ask for together, bounded counts, bounded pages."""

from datetime import datetime
from typing import Any, Final, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as translated

from ...db import clock
from ...db.connection import jobs_connection
from ...models import Job
from ...services.commands.bulk_change import can_have_staff_project
from ...services.reports.wait_reasons import explain_waits
from ...services.search.facets import count_choices
from ...services.search.planner import index_scans_only
from ...services.search.staff_filter import JobFilter, parse_id
from ...services.search.staff_search import SearchResult, search_jobs
from ..base import display
from ..base.masking import masked, may_see_references
from .filters import JobListFilter

MOST_ROWS: Final = 10_000
BEFORE: Final = "before"
NOT_IN_THE_LIST: Final = ("description", "errors", "parameters", "receipt")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # takes none at run time
    """Pages over the first ``MOST_ROWS`` rows; nothing looks at more than one row beyond them."""

    @cached_property
    def ids(self) -> list[int]:
        """The ids of all that can be paged through, in their order, and of one more if there is one.

        One look tells the number and every page; what has no index of its own would be looked through for each.
        """
        rows = cast("QuerySet[Any]", self.object_list)
        return list(rows.values_list("pk", flat=True)[: MOST_ROWS + 1])

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return min(len(self.ids), MOST_ROWS)

    @property
    def has_more(self) -> bool:
        """Whether there are rows that no page shows."""
        return len(self.ids) > MOST_ROWS


class JobChangeList(ChangeList):
    """Newest first, or oldest first: the orders that every filter's index has; late ones by how late they are."""

    now: datetime
    result: SearchResult

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Return what filters are to be asked for; where to go on is none of them."""
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(BEFORE, None)
        return found

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Return a link; it goes on from the same place to another page, from the beginning to anything else."""
        pages = new_params is not None and (PAGE_VAR in new_params or BEFORE in new_params)
        return super().get_query_string(new_params, remove if pages else [*(remove or []), BEFORE])

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Look for what the filters and the search ask for together."""
        self.now = clock.read(jobs_connection())
        specs, self.has_filters, others, _, self.has_active_filters = self.get_filters(request)
        if others:
            raise IncorrectLookupParameters
        self.filter_specs = specs
        self.clear_all_filters_qs = self.get_query_string(
            new_params={}, remove=[name for name in self.get_filters_params() if name != SEARCH_VAR]
        )
        oldest_first = self.get_ordering(request, self.root_queryset) == ["pk"]
        self.params.pop(BEFORE, None)  # a new search begins at the beginning
        before = parse_id(request.GET.get(BEFORE, ""))
        self.result = search_jobs(self.wanted, before=before, reverse=oldest_first)
        # A host may have its staff see some jobs only.
        return self.root_queryset.order_by() & self.result.jobs if self.is_part else self.result.jobs

    @property
    def is_part(self) -> bool:
        """Whether the host lets the user see some jobs only; no filter of ours tells which."""
        return bool(self.root_queryset.query.where)

    @cached_property
    def wanted(self) -> JobFilter:
        """All that is asked for."""
        return self._wanted_beside(None)

    def _wanted_beside(self, left_out: JobListFilter | None) -> JobFilter:
        asks: dict[str, Any] = {"search": self.query} if self.query else {}
        for spec in self.filter_specs:
            if spec is not left_out and isinstance(spec, JobListFilter):
                asks |= spec.asks(self.now)
        return JobFilter(**asks)

    @cached_property
    def counts(self) -> dict[tuple[str, Any], str]:
        """How many jobs each choice of each filter would show, as texts."""
        groups = {
            spec.parameter_name: (
                self._wanted_beside(spec),
                {value: spec.fields_of(value, self.now) for value, _ in spec.lookup_choices},
            )
            for spec in self.filter_specs
            if isinstance(spec, JobListFilter) and spec.has_counts
        }
        return {
            key: display.counted(facet.count, at_least=facet.at_least) for key, facet in count_choices(groups).items()
        }

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order by id; columns without an index cannot be sorted by."""
        wanted = super().get_ordering(request, queryset)
        return ["pk"] if wanted[:1] in (["pk"], ["id"]) else ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page: its ids by the index alone, then these rows, and what is to be said of each."""
        with index_scans_only():
            super().get_results(request)
            ids = self._ids_of_page()
        rows = self.root_queryset.defer(*NOT_IN_THE_LIST).select_related("project").in_bulk(ids)
        self.result_list = [rows[job_id] for job_id in ids if job_id in rows]
        waits = explain_waits(self.result_list, now=self.now)
        may_see = may_see_references(request.user)
        for job in self.result_list:
            job.seen_at, job.wait = self.now, waits.get(job.pk)
            job.shown_reference = job.reference_id if may_see else masked(job.reference_id)
        # The search box shows a number of rows only after a search, and only a true one.
        if not self.query or self.has_more or self.result.window is not None:
            self.full_result_count = self.result_count

    def _ids_of_page(self) -> list[int]:
        if not isinstance(self.paginator, BoundedPaginator):  # a host's own
            return list(self.result_list.values_list("pk", flat=True)[:MOST_ROWS])
        if not self.multi_page or (self.show_all and self.can_show_all):
            return self.paginator.ids[: self.paginator.count]
        begin = (self.page_num - 1) * self.list_per_page
        return self.paginator.ids[begin : min(begin + self.list_per_page, self.paginator.count)]

    @cached_property
    def may_choose_all(self) -> bool:
        """Whether all that match can be changed: a filter of ours says which, and there is a project for the job."""
        return not self.is_part and can_have_staff_project()

    @property
    def has_more(self) -> bool:
        """Whether more rows match than are listed."""
        return isinstance(self.paginator, BoundedPaginator) and self.paginator.has_more

    @property
    def counted(self) -> str:
        """How many rows match, as a text."""
        return display.counted(self.result_count, at_least=self.has_more or self.result.window is not None)

    @property
    def asked_in_words(self) -> list[str]:
        """What is asked for: each filter with its choice, and the search."""
        chosen = [
            (spec.title, choice["display"])
            for spec in self.filter_specs
            if isinstance(spec, JobListFilter) and spec.value() is not None
            for choice in spec.choices(self)
            if choice["selected"]
        ]
        searched = [(translated("search"), self.query)] if self.query else []
        return [
            translated("%(filter)s: %(value)s") % {"filter": name, "value": value} for name, value in chosen + searched
        ]

    @property
    def searched(self) -> dict[str, Any] | None:
        """Where the search ended although there is more, and the link that goes on from there."""
        window = self.result.window
        if window is None:
            return None
        older = self.get_query_string({BEFORE: str(window.before)}, [PAGE_VAR])
        return {"size": display.whole(window.size), "since": display.moment(window.since), "older": older}


def search(jobs: QuerySet[Job], term: str) -> QuerySet[Job]:
    """Keep the job with this id and those for exactly this reference, as where a job is chosen for something else."""
    return jobs.filter(pk__in=search_jobs(JobFilter(search=term)).jobs.values("pk")[:MOST_ROWS])
