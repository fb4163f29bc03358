"""The filters of the list in the words of the public contract."""

# ruff: noqa: N815 – parameters are called as the contract calls them

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from django import forms
from django.utils.datastructures import MultiValueDict
from django_filters import CharFilter, Filter, FilterSet, MultipleChoiceFilter
from rest_framework import serializers

from ..exceptions import InvalidField
from ..models import Job
from ..services.commands.schedule import MAX_REFERENCE_BYTES
from ..services.search.api_query import ListOrder, ListQuery
from ..services.validation import check_text
from ..status import Status
from .parsing import parse_integer
from .serializers import Milliseconds

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
    """Milliseconds since 1970-01-01 UTC in ASCII digits."""

    def to_python(self, value: str | None) -> datetime | None:
        """Return the instant; refuse what is no integer, and what no calendar of ours reaches."""
        if value is None:
            return None
        try:
            return Milliseconds().to_internal_value(parse_integer(value))
        except serializers.ValidationError as refused:
            raise forms.ValidationError(str(cast("list[Any]", refused.detail)[0])) from None


class Exact(forms.Field):
    """A text that is compared as it is; ``check`` refuses one that no job can have."""

    def __init__(self, *, check: Callable[[str], None], **further: Any) -> None:
        super().__init__(**further)
        self.check = check

    def validate(self, value: str | None) -> None:
        """Refuse what ``check`` refuses."""
        if value is not None:
            try:
                self.check(value)
            except InvalidField as refused:
                raise forms.ValidationError(refused.problem) from None


class InstantFilter(Filter):  # type: ignore[misc]  # the library ships no types
    """Compares with an instant."""

    field_class = Instant


class ExactFilter(CharFilter):  # type: ignore[misc]  # the library ships no types
    """Compares with a text."""

    field_class = Exact


class JobFilters(FilterSet):  # type: ignore[misc]  # the library ships no types
    """What may be asked of the jobs in a list: all of it must hold. The query itself is a service's."""

    status = MultipleChoiceFilter(
        choices=[(status.value, status.value) for status in Status],
        error_messages={"invalid_choice": UNKNOWN_STATUS},
        help_text="Jobs in this status; repeat it for several.",
    )
    # A text that no job could have is refused: to find nothing for it would hide the caller's mistake.
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


def parse_search(query: Mapping[str, list[str]]) -> ListQuery:
    """Return what ``query`` asks for; unknown parameters are ignored.

    Raises:
        InvalidField: a filter or ``sort`` cannot be as it is; names it. Also an empty one: it comes from a
            variable that the caller did not fill, and the whole list in place of one user's jobs would be wrong.
    """
    given = {name: query[name] if name == "status" else query[name][:1] for name in FILTERS if name in query}
    for name, values in given.items():
        if "" in values:
            raise InvalidField(name, "must not be empty; leave it out to ask for all")
    order = _order_of(query)
    if not given:
        return ListQuery(order=order)
    form = JobFilters(MultiValueDict(given), queryset=Job.objects.none()).form
    if not form.is_valid():
        name, problems = next(iter(form.errors.items()))
        raise InvalidField(name, str(problems[0]))
    found = form.cleaned_data
    return ListQuery(
        statuses=frozenset(map(Status, found["status"])) or None,
        action=found["action"],
        reference_id=found["referenceId"],
        created_from=found["createdFrom"],
        created_to=found["createdTo"],
        start_from=found["startFrom"],
        start_to=found["startTo"],
        order=order,
    )


def sort_of(query: Mapping[str, list[str]]) -> str:
    """Return the value of ``sort``, or what stands for none.

    Raises:
        InvalidField: there is no such order.
    """
    name = query.get("sort", ["-jobId"])[0]
    if name not in SORTS:
        raise InvalidField("sort", f"must be one of {', '.join(SORTS)}")
    return name


def _order_of(query: Mapping[str, list[str]]) -> ListOrder:
    return SORTS[sort_of(query)]
