"""Pages by number, as the public contract has them: no input fails, nothing is counted."""

from typing import Any, Final

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from .parsing import first_of, parse_integer, read_query

DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 200
# No table has as many rows, and LIMIT + OFFSET stays within the database's bigint.
FARTHEST_OFFSET: Final = 2**62


class Pages(BasePagination):
    """``limit`` from 1 to 200, else 50; ``page`` from 1, else 1; past the end there is nothing."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the page, in one query, or in none if it cannot exist."""
        query = read_query(request._request)
        limit = parse_integer(first_of(query, "limit"))
        if limit is None or not 1 <= limit <= LARGEST_LIMIT:
            limit = DEFAULT_LIMIT
        offset = (max(parse_integer(first_of(query, "page")) or 1, 1) - 1) * limit
        return [] if offset > FARTHEST_OFFSET else list(queryset[offset : offset + limit])

    def get_paginated_response(self, data: Any) -> Response:
        """Return the bare array in ``data``."""
        return Response({"data": data})
