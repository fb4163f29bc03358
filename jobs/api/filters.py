"""The filters and the order of the list, as query parameters."""
# ruff: noqa: N815 – parameters have the names of the public contract

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django import forms
from django_filters import CharFilter, Filter, FilterSet, MultipleChoiceFilter

from ..exceptions import InvalidField
from ..models import Job
from ..services.commands.schedule import MAX_REFERENCE_BYTES
from ..services.search.api_query import ListOrder, ListQuery
from ..services.validation import check_text, raise_first
from ..status import Status
from .parsing import parse_instant

MAX_ACTION_CHARACTERS: Final = 100

SORTS: Final = {
    "jobId": ListOrder(descending=False),
    "-jobId": ListOrder(),
    "startAt": ListOrder(by_start=True, descending=False),
    "-startAt": ListOrder(by_start=True),
}
"""The values of ``sort``."""

UNKNOWN_STATUS: Final = f"must be one of {', '.join(Status)}; repeat the parameter for several"


class Instant(forms.Field):
    """An instant, sent as milliseconds since 1970-01-01 UTC in ASCII digits."""

    def to_python(self, value: str | None) -> datetime | None:
        try:
            return None if value is None else parse_instant("", value)
        except InvalidField as refused:
            raise forms.ValidationError(refused.problem) from None


class Exact(forms.Field):
    """A text that is compared as it is; ``check`` raises InvalidField for one that no job can have."""

    def __init__(self, *, check: Callable[[str], None], **further: Any) -> None:
        super().__init__(**further)
        self.check = check

    def validate(self, value: str | None) -> None:
        if value is not None:
            try:
                self.check(value)
            except InvalidField as refused:
                raise forms.ValidationError(refused.problem) from None


class InstantFilter(Filter):  # type: ignore[misc]  # the library ships no types
    """A filter by an instant."""

    field_class = Instant


class ExactFilter(CharFilter):  # type: ignore[misc]  # the library ships no types
    """A filter by an exact text."""

    field_class = Exact


class JobFilters(FilterSet):  # type: ignore[misc]  # the library ships no types
    """Parses and documents the filters, all of which must hold; the query is made by ``services.search``."""

    status = MultipleChoiceFilter(
        choices=[(status.value, status.value) for status in Status],
        error_messages={"invalid_choice": UNKNOWN_STATUS},
        help_text="Jobs in this status; repeat it for several.",
    )
    # A text that no job can have is refused: an empty list would hide the caller's mistake.
    action = ExactFilter(
        check=lambda text: check_text("action", text, max_characters=MAX_ACTION_CHARACTERS),
        help_text="Jobs of this action.",
    )
    referenceId = ExactFilter(
        field_name="reference_id",
        check=lambda text: check_text("referenceId", text, max_bytes=MAX_REFERENCE_BYTES),
        help_text="Jobs about exactly this reference.",
    )
    createdFrom = InstantFilter(field_name="created_at", lookup_expr="gte", help_text="Created then or later; ms.")
    createdTo = InstantFilter(field_name="created_at", lookup_expr="lt", help_text="Created before; ms.")
    startFrom = InstantFilter(field_name="start_at", lookup_expr="gte", help_text="Starts then or later; ms.")
    startTo = InstantFilter(field_name="start_at", lookup_expr="lt", help_text="Starts before; ms.")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()


FILTERS: Final = tuple(JobFilters.base_filters)
# Made once: the form of a FilterSet copies all fields for each request, which takes longer than the search.
FIELDS: Final[dict[str, Any]] = {name: each.field for name, each in JobFilters.base_filters.items()}


def parse_search(query: Mapping[str, list[str]]) -> ListQuery:
    """Return filters and order.

    Raises:
        InvalidField: a filter or ``sort`` has an impossible value. So has an empty filter: it comes from a
            variable that the caller did not fill, who would get all jobs in place of one user's.
    """
    given = {name: query[name] if name == "status" else query[name][:1] for name in FILTERS if name in query}
    for name, sent in given.items():
        if name != "status" and len(query[name]) > 1:
            raise InvalidField(name, "must be given once")
        if "" in sent:
            raise InvalidField(name, "must not be empty; leave it out to ask for all")
    order = SORTS[parse_sort(query)]
    values: dict[str, Any] = {}
    problems = []
    for name, sent in given.items():
        try:
            values[name] = FIELDS[name].clean(sent if name == "status" else sent[0])
        except forms.ValidationError as refused:
            problems.append(InvalidField(name, refused.messages[0]))
    raise_first(problems)
    return ListQuery(
        statuses=frozenset(map(Status, values.get("status", ()))) or None,
        action=values.get("action"),
        reference_id=values.get("referenceId"),
        created_from=values.get("createdFrom"),
        created_to=values.get("createdTo"),
        start_from=values.get("startFrom"),
        start_to=values.get("startTo"),
        order=order,
    )


def parse_sort(query: Mapping[str, list[str]]) -> str:
    """Return the value of ``sort``, or the default.

    Raises:
        InvalidField: there is no such order.
    """
    name = query.get("sort", ["-jobId"])[0]
    if name not in SORTS:
        raise InvalidField("sort", f"must be one of {', '.join(SORTS)}")
    return name
