"""Pages of the list: by number, as the public contract has them, or by cursor; nothing is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from ..services.search.api_pages import Page
from ..services.search.api_query import Position
from .cursors import read_cursor, write_cursor
from .filters import FILTERS, SORTS, parse_sort
from .parsing import first_value, parse_integer

DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 200

# The parameters that links to other pages repeat; any other has no effect, or may be a secret.
KEPT: Final = ("limit", *FILTERS, "sort")


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """The page that a request asks for: by ``page``, or if that is None, after the position ``after``, if any."""

    limit: int
    page: int | None
    after: Position | None

    @property
    def offset(self) -> int:
        return ((self.page or 1) - 1) * self.limit


def parse_page(query: Mapping[str, list[str]]) -> PageRequest:
    """Return the page asked for: ``limit`` from 1 to 200, else 50; ``page`` from 1, else 1; neither can fail.

    With ``cursor``, which is empty for the first page, ``page`` has no effect.

    Raises:
        InvalidField: the cursor is broken, or of another order.
    """
    limit = parse_integer(first_value(query, "limit"))
    if limit is None or not 1 <= limit <= LARGEST_LIMIT:
        limit = DEFAULT_LIMIT
    if "cursor" not in query:
        return PageRequest(limit=limit, page=max(parse_integer(first_value(query, "page")) or 1, 1), after=None)
    cursor, sort = first_value(query, "cursor"), parse_sort(query)
    after = read_cursor(cursor, sort=sort, by_start=SORTS[sort].by_start) if cursor else None
    return PageRequest(limit=limit, page=None, after=after)


def link_header(found: Page, *, asked: PageRequest, query: Mapping[str, list[str]]) -> str:
    """Return the header ``Link``: ``first``, and ``prev`` and ``next`` if there is such a page; no ``prev`` by cursor.

    The targets are relative to the request's address, so they are right below any prefix and behind any proxy.
    They name its last segment, which Java's ``URI.resolve`` drops where a reference is a query only.

    Source: RFC 8288 §3; RFC 3986 §5.2.3.
    """
    kept: dict[str, Any] = {name: query[name][:1] for name in KEPT if name in query}
    if "limit" in kept:
        kept["limit"] = asked.limit
    if "status" in kept:
        kept["status"] = list(dict.fromkeys(query["status"]))
    if asked.page is None:
        links = {"first": {"cursor": ""}}
        if found.has_more:
            links["next"] = {"cursor": _cursor_after(found, query)}
    else:
        links = {"first": {"page": "1"}}
        if asked.page > 1:
            links["prev"] = {"page": str(asked.page - 1)}
        if found.has_more:
            links["next"] = {"page": str(asked.page + 1)}
    return ", ".join(f'<jobs?{urlencode({**kept, **page}, doseq=True)}>; rel="{rel}"' for rel, page in links.items())


def _cursor_after(found: Page, query: Mapping[str, list[str]]) -> str:
    sort, last = parse_sort(query), found.jobs[-1]
    position = Position(job_id=last.id, start_at=last.start_at if SORTS[sort].by_start else None)
    return write_cursor(position, sort=sort)
