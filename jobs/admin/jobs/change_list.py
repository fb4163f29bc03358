"""The change list of jobs: one search by all filters, with bounded counts and pages, at any number of jobs."""

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
from ...exceptions import TooSlow
from ...models import Job
from ...services.commands.bulk_change import can_have_staff_project
from ...services.reports.wait_reasons import explain_waits
from ...services.search.facets import count_choices
from ...services.search.planner import index_scans_only
from ...services.search.staff_filter import JobFilter, parse_id
from ...services.search.staff_search import SearchResult, search_jobs
from ..base import display
from ..base.masking import hides_reference, masked, may_see_references
from .filters import JobListFilter

MOST_ROWS: Final = 10_000
BEFORE: Final = "before"
UNLISTED_COLUMNS: Final = ("description", "errors", "parameters", "receipt")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # takes none at run time
    """Pages over the first ``MOST_ROWS`` rows; at most one row beyond them is read."""

    @cached_property
    def ids(self) -> list[int]:
        """The ids of all pages in their order, and one more if there is one.

        One query gives both the number of rows and the ids of every page; two would scan twice
        what has no index of its own.
        """
        rows = cast("QuerySet[Any]", self.object_list)
        return list(rows.values_list("pk", flat=True)[: MOST_ROWS + 1])

    @cached_property
    def count(self) -> int:
        return min(len(self.ids), MOST_ROWS)

    @property
    def has_more(self) -> bool:
        """Whether more rows match than the pages have."""
        return len(self.ids) > MOST_ROWS


class JobChangeList(ChangeList):
    """By id, which every filter's index can give, newest or oldest first; late jobs by how late they are."""

    now: datetime
    result: SearchResult

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Leave out ``before``, which is no filter."""
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(BEFORE, None)
        return found

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Keep ``before`` in links to other pages; every other link starts a new search."""
        pages = new_params is not None and (PAGE_VAR in new_params or BEFORE in new_params)
        return super().get_query_string(new_params, remove if pages else [*(remove or []), BEFORE])

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Search once, by all filters and the search term together."""
        self.now = clock.read(jobs_connection())
        self.may_see_references = may_see_references(request.user)
        specs, self.has_filters, unknown, _, self.has_active_filters = self.get_filters(request)
        if unknown:
            raise IncorrectLookupParameters
        self.filter_specs = specs
        self.clear_all_filters_qs = self.get_query_string(
            new_params={}, remove=[name for name in self.get_filters_params() if name != SEARCH_VAR]
        )
        oldest_first = self.get_ordering(request, self.root_queryset) == ["pk"]
        self.params.pop(BEFORE, None)  # so that the search form does not send it
        before = parse_id(request.GET.get(BEFORE, ""))
        self.result = search_jobs(self.wanted, before=before, reverse=oldest_first)
        # A host's `get_queryset` may show its staff only some jobs.
        return self.root_queryset.order_by() & self.result.jobs if self.is_part else self.result.jobs

    @property
    def is_part(self) -> bool:
        """Whether the host's ``get_queryset`` leaves jobs out; no ``JobFilter`` can express which."""
        return bool(self.root_queryset.query.where)

    @cached_property
    def wanted(self) -> JobFilter:
        return self._wanted_without(None)

    def _wanted_without(self, left_out: JobListFilter | None) -> JobFilter:
        fields: dict[str, Any] = searched(self.query, may_see_references=self.may_see_references)
        for spec in self.filter_specs:
            if spec is not left_out and isinstance(spec, JobListFilter):
                fields |= spec.chosen_fields(self.now)
        return JobFilter(**fields)

    @cached_property
    def counts(self) -> dict[tuple[str, Any], str]:
        """How many jobs each choice of each filter would show, as texts; none if it takes too long to count them."""
        groups = {
            spec.parameter_name: (
                self._wanted_without(spec),
                {value: spec.fields_of(value, self.now) for value, _ in spec.lookup_choices},
            )
            for spec in self.filter_specs
            if isinstance(spec, JobListFilter) and spec.has_counts
        }
        try:
            facets = count_choices(groups)
        except TooSlow:
            return {}
        return {key: display.bounded_count(facet.count, at_least=facet.at_least) for key, facet in facets.items()}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Order by id only: other columns have no index."""
        wanted = super().get_ordering(request, queryset)
        return ["pk"] if wanted[:1] in (["pk"], ["id"]) else ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's ids from the index alone, then these rows, and why each of them waits."""
        with index_scans_only():
            super().get_results(request)
            ids = self._ids_of_page()
        rows = self.root_queryset.defer(*UNLISTED_COLUMNS).select_related("project").in_bulk(ids)
        self.result_list = [rows[job_id] for job_id in ids if job_id in rows]
        waits = explain_waits(self.result_list, now=self.now)
        for job in self.result_list:
            job.read_at, job.wait = self.now, waits.get(job.pk)
            is_hidden = hides_reference(request.user, job)
            job.visible_reference = masked(job.reference_id) if is_hidden else job.reference_id
        # The search box shows this number after a search; a bounded one would be wrong.
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
        """Whether an action can take all that match: by a job, which needs the filter and a project."""
        return not self.is_part and can_have_staff_project()

    @property
    def has_more(self) -> bool:
        """Whether more rows match than the pages have."""
        return isinstance(self.paginator, BoundedPaginator) and self.paginator.has_more

    @property
    def counted(self) -> str:
        """How many rows match, as a text."""
        return display.bounded_count(self.result_count, at_least=self.has_more or self.result.window is not None)

    @property
    def filters_in_words(self) -> list[str]:
        """Each filter with its choice, and the search term, for people."""
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
        """Where a search that did not cover all jobs ended, and the link that continues it."""
        window = self.result.window
        if window is None:
            return None
        older = self.get_query_string({BEFORE: str(window.before)}, [PAGE_VAR])
        return {"size": display.whole(window.size), "since": display.moment(window.since), "older": older}


def searched(term: str, *, may_see_references: bool) -> dict[str, Any]:
    """Return the fields of a filter that search for a term: an id or, for those who may see it, a whole reference."""
    if may_see_references or not term:
        return {"search": term} if term else {}
    job_id = parse_id(term)
    return {"nothing": True} if job_id is None else {"search": str(job_id), "search_by_id": True}


def search(jobs: QuerySet[Job], term: str, *, may_see_references: bool) -> QuerySet[Job]:
    """Return the jobs of ``jobs`` that a term searches for, for autocompletion."""
    wanted = JobFilter(**searched(term, may_see_references=may_see_references))
    return jobs.filter(pk__in=search_jobs(wanted).jobs.values("pk")[:MOST_ROWS])
