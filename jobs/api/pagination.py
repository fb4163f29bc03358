"""Pages of the list: by number, as the public contract has them, or by cursor; nothing is counted."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Final
from urllib.parse import urlencode

from django_filters import MultipleChoiceFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from ..services.at_once import AtOnce
from ..services.search.api_pages import JobRow, is_search, list_page
from ..services.search.api_query import ListQuery, Position
from .cursors import read_cursor, write_cursor
from .filters import SORTS
from .parsing import first_value, parse_integer, read_query

SORT_OF: Final = {order: name for name, order in SORTS.items()}
# Of one organization in a process: each may hold one of its threads for a second or more.
SEARCHES: Final = AtOnce(4, problem="other searches of the organization are under way")


class JobPages(PageNumberPagination):
    """``limit`` from 1 to 200, else 50; ``page`` from 1, else 1; neither can fail.

    With ``cursor``, which is empty for the first page, ``page`` has no effect. Django's paginator is not used:
    it counts, which takes as long as to read all jobs of the project.
    """

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    cursor_query_param = "cursor"

    def paginate_queryset(  # type: ignore[override]  # the list is no queryset
        self, queryset: ListQuery, request: Request, view: Any = None
    ) -> Sequence[JobRow]:
        """Read the page that is asked for, of the view's project.

        Raises:
            InvalidField: the cursor is broken, or of another order.
            TooSlow: as in :func:`list_page`.
            Busy: the organization has as many searches under way as it may.
        """
        self.query, self.order = read_query(request), queryset.order
        filters: dict[str, Any] = getattr(view.filterset_class, "base_filters", {})
        self.kept = (self.page_size_query_param, *filters, "sort")
        self.repeated = [name for name, each in filters.items() if isinstance(each, MultipleChoiceFilter)]
        self.limit, self.number, after = self.get_page_size(request), 0, None  # number 0: by cursor
        if self.cursor_query_param in self.query:
            after = self._read_cursor()
        else:
            self.number = max(parse_integer(first_value(self.query, self.page_query_param)) or 1, 1)
        offset = max(self.number - 1, 0) * self.limit
        with SEARCHES.one(view.caller.organization.pk) if is_search(queryset, offset=offset) else nullcontext():
            self.found = list_page(queryset, project=view.project, limit=self.limit, offset=offset, after=after)
        return self.found.jobs

    def get_page_size(self, request: Request) -> int:
        """Return the number of jobs on a page; other than REST framework, too large a number is not cut."""
        limit = parse_integer(first_value(self.query, self.page_size_query_param))
        is_allowed = limit is not None and 1 <= limit <= (self.max_page_size or limit)
        return limit if limit is not None and is_allowed else self.page_size

    def get_paginated_response(self, data: Any) -> Response:
        """Answer with jobs; links to other pages are in a header."""
        return Response({"data": data}, headers={"Link": self.link_header()})

    def link_header(self) -> str:
        """Return the header ``Link``: ``first``, and ``prev`` and ``next`` if there is such a page.

        There is no ``prev`` by cursor. The targets are relative to the request's address, so they are right below any
        prefix and behind any proxy. They name its last segment, which Java's ``URI.resolve`` drops where a reference
        is a query only.

        Source: RFC 8288 §3; RFC 3986 §5.2.3.
        """
        # Any other parameter has no effect, or may be a secret.
        kept: dict[str, Any] = {name: self.query[name][:1] for name in self.kept if name in self.query}
        if self.page_size_query_param in kept:
            kept[self.page_size_query_param] = self.limit
        kept |= {name: list(dict.fromkeys(self.query[name])) for name in self.repeated if name in self.query}
        page, cursor = self.page_query_param, self.cursor_query_param
        links: dict[str, dict[str, Any]] = {"first": {page: 1} if self.number else {cursor: ""}}
        if self.number > 1:
            links["prev"] = {page: self.number - 1}
        if self.found.has_more:
            links["next"] = {page: self.number + 1} if self.number else {cursor: self._cursor_after_last()}
        return ", ".join(
            f'<jobs?{urlencode({**kept, **link}, doseq=True)}>; rel="{rel}"' for rel, link in links.items()
        )

    def _read_cursor(self) -> Position | None:
        cursor = first_value(self.query, self.cursor_query_param)
        return read_cursor(cursor, sort=SORT_OF[self.order], by_start=self.order.by_start) if cursor else None

    def _cursor_after_last(self) -> str:
        last = self.found.jobs[-1]
        position = Position(job_id=last.id, start_at=last.start_at if self.order.by_start else None)
        return write_cursor(position, sort=SORT_OF[self.order])
