"""Which part of a list: pages by number, as the public contract has them, or a walk by cursor; nothing is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from ..services.search.api_pages import Page
from ..services.search.api_query import Position
from .cursors import read_cursor, write_cursor
from .filters import FILTERS, SORTS, sort_of
from .parsing import first_of, parse_integer

DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 200

# What the links to other pages repeat of a request; anything else had no effect, or may be a secret.
KEPT: Final = ("limit", *FILTERS, "sort")


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a list that a request asks for; ``page`` is None in a walk, which begins without ``after``."""

    limit: int
    page: int | None
    after: Position | None

    @property
    def offset(self) -> int:
        """How many jobs are left out."""
        return ((self.page or 1) - 1) * self.limit


def parse_part(query: Mapping[str, list[str]]) -> Part:
    """Return the part: ``limit`` from 1 to 200, else 50; ``page`` from 1, else 1; neither can fail.

    With ``cursor``, which is empty at the start of a walk, ``page`` does not count.

    Raises:
        InvalidField: the cursor is broken, or of another order.
    """
    limit = parse_integer(first_of(query, "limit"))
    if limit is None or not 1 <= limit <= LARGEST_LIMIT:
        limit = DEFAULT_LIMIT
    if "cursor" not in query:
        return Part(limit=limit, page=max(parse_integer(first_of(query, "page")) or 1, 1), after=None)
    cursor, sort = first_of(query, "cursor"), sort_of(query)
    after = read_cursor(cursor, sort=sort, by_start=SORTS[sort].by_start) if cursor else None
    return Part(limit=limit, page=None, after=after)


def links_of(page: Page, *, part: Part, query: Mapping[str, list[str]]) -> str:
    """Return the header ``Link``: ``first``, and ``prev`` and ``next`` where there is such a page.

    The targets are relative to the address that was asked, so they are right behind
    any prefix and proxy. A walk goes one way: it has no ``prev``.

    Source: RFC 8288 §3; RFC 3986 §5.2.2 (a reference that is a query only).
    """
    kept: dict[str, Any] = {name: query[name][:1] for name in KEPT if name in query}
    if "limit" in kept:
        kept["limit"] = part.limit
    if "status" in kept:
        kept["status"] = list(dict.fromkeys(query["status"]))
    if part.page is None:
        found = {"first": {"cursor": ""}}
        if page.has_more:
            found["next"] = {"cursor": _cursor_behind(page, query)}
    else:
        found = {"first": {"page": "1"}}
        if part.page > 1:
            found["prev"] = {"page": str(part.page - 1)}
        if page.has_more:
            found["next"] = {"page": str(part.page + 1)}
    return ", ".join(f'<?{urlencode({**kept, **where}, doseq=True)}>; rel="{rel}"' for rel, where in found.items())


def _cursor_behind(page: Page, query: Mapping[str, list[str]]) -> str:
    sort, last = sort_of(query), page.jobs[-1]
    place = Position(job_id=last.pk, start_at=last.start_at if SORTS[sort].by_start else None)
    return write_cursor(place, sort=sort)
