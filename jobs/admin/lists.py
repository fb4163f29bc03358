"""The jobs list at any size: bounded counts, filters without DISTINCT, two ways to search."""

from typing import Any, Final, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from ..actions import NAME, all_actions
from ..models import Job
from ..status import Status
from .pages import parse_id
from .shown import STATUS_WORDS

MOST_ROWS: Final = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # takes none at run time
    """Pages over the first ``MOST_ROWS`` rows; no count looks at more than one row beyond them."""

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return min(self._seen, MOST_ROWS)

    @property
    def has_more(self) -> bool:
        """Whether there are rows that no page shows."""
        return self._seen > MOST_ROWS

    @cached_property
    def _seen(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: MOST_ROWS + 1].count()


class JobChangeList(ChangeList):
    """Newest first, or oldest first: the orders that every filter's index has."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order by id; columns without an index cannot be sorted by."""
        wanted = super().get_ordering(request, queryset)
        return ["pk"] if wanted[:1] in (["pk"], ["id"]) else ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page; the search box shows a number of rows only after a search, and only a true one."""
        super().get_results(request)
        if not self.query or self.has_more:
            self.full_result_count = self.result_count

    @property
    def has_more(self) -> bool:
        """Whether more rows match than are listed."""
        return isinstance(self.paginator, BoundedPaginator) and self.paginator.has_more


class StatusFilter(admin.SimpleListFilter):
    """By status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the five."""
        return [(status.value, STATUS_WORDS[status]) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the jobs of the chosen one; of one that does not exist there are none."""
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(status=value) if value in STATUS_WORDS else queryset.none()


class ActionFilter(admin.SimpleListFilter):
    """By action; offered are those registered now, an address may name a former one."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the registered actions."""
        return [(action.name, action.name) for action in all_actions()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the jobs of the chosen one."""
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(action=value) if NAME.fullmatch(value) else queryset.none()


def search(jobs: QuerySet[Job], term: str) -> QuerySet[Job]:
    """Keep the job with this id and those for exactly this reference; spaces around may come from pasting."""
    if "\0" in term:
        return jobs.none()  # no text of PostgreSQL has one
    named = parse_id(term.strip())
    matches = Q(reference_id__in={term, term.strip()})
    return jobs.filter(matches if named is None else matches | Q(pk=named))
