"""The filters and the order of the list, as query parameters."""
# ruff: noqa: N815 – parameters have the names of the public contract

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from django import forms
from django_filters import Filter, FilterSet, MultipleChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from ..exceptions import InvalidField
from ..services.commands.schedule import MAX_REFERENCE_BYTES
from ..services.search.api_query import ListOrder, ListQuery
from ..services.validation import check_text, raise_first
from ..status import Status
from .parsing import parse_instant, read_parameters

MAX_ACTION_CHARACTERS: Final = 100

SORTS: Final = {
    "jobId": ListOrder(descending=False),
    "-jobId": ListOrder(),
    "startAt": ListOrder(by_start=True, descending=False),
    "-startAt": ListOrder(by_start=True),
}
"""The values of ``sort``."""

UNKNOWN_STATUS: Final = f"must be one of {', '.join(Status)}; repeat the parameter for several"


class Checked(forms.Field):
    """A text that ``read`` turns into a value; it raises InvalidField for one that no job can have."""

    def __init__(self, *, read: Callable[[str], Any], **further: Any) -> None:
        super().__init__(**further)
        self.read = read

    def to_python(self, value: str | None) -> Any:
        try:
            return None if value is None else self.read(value)
        except InvalidField as refused:
            raise forms.ValidationError(refused.problem) from None


class CheckedFilter(Filter):  # type: ignore[misc]  # the library ships no types
    """A filter by an exact value."""

    field_class = Checked


def _text(name: str, **limits: int) -> Callable[[str], str]:
    """Return what reads a text; an empty list for one that no job can have would hide the caller's mistake."""

    def read(text: str) -> str:
        check_text(name, text, **limits)
        return text

    return read


INSTANT: Final = partial(parse_instant, "")


class JobFilters(FilterSet):  # type: ignore[misc]  # the library ships no types
    """The filters, all of which must hold, and the order: they fill in the fields of a :class:`ListQuery`.

    The list is no queryset: Django's ORM would write its SQL anew for each request, which takes longer than to run it.
    So ``field_name`` is a field of :class:`ListQuery`, and there is no lookup.
    """

    status = MultipleChoiceFilter(
        field_name="statuses",
        choices=[(status.value, status.value) for status in Status],
        error_messages={"invalid_choice": UNKNOWN_STATUS},
        help_text="Jobs in this status; repeat it for several.",
    )
    action = CheckedFilter(read=_text("action", max_characters=MAX_ACTION_CHARACTERS), help_text="Jobs of this action.")
    referenceId = CheckedFilter(
        field_name="reference_id",
        read=_text("referenceId", max_bytes=MAX_REFERENCE_BYTES),
        help_text="Jobs about exactly this reference.",
    )
    createdFrom = CheckedFilter(field_name="created_from", read=INSTANT, help_text="Created then or later; ms.")
    createdTo = CheckedFilter(field_name="created_to", read=INSTANT, help_text="Created before; ms.")
    startFrom = CheckedFilter(field_name="start_from", read=INSTANT, help_text="Starts then or later; ms.")
    startTo = CheckedFilter(field_name="start_to", read=INSTANT, help_text="Starts before; ms.")

    def __init__(self, data: Mapping[str, list[str]], queryset: ListQuery, **_: Any) -> None:
        """Take the filters as they are: the library copies them for each request, which takes longer than the search.

        Its form would copy their fields as well, and forgive an empty or repeated value.
        """
        self.data, self.queryset = data, queryset

    def is_valid(self) -> bool:
        """Return true: what is not valid is raised by :attr:`qs`, as the error that the API answers with."""
        return True

    @property
    def qs(self) -> ListQuery:
        """The query with the filters and the order.

        Raises:
            InvalidField: a filter or ``sort`` has an impossible value. So has an empty filter: it comes from a
                variable that the caller did not fill, who would get all jobs in place of one user's.
        """
        given = {name: each for name, each in self.base_filters.items() if name in self.data}
        for name in given:
            if not isinstance(given[name], MultipleChoiceFilter) and len(self.data[name]) > 1:
                raise InvalidField(name, "must be given once")
            if "" in self.data[name]:
                raise InvalidField(name, "must not be empty; leave it out to ask for all")
        sort = self.data.get("sort", ["-jobId"])[0]
        if sort not in SORTS:
            raise InvalidField("sort", f"must be one of {', '.join(SORTS)}")
        values: dict[str, Any] = {"order": SORTS[sort]} if "sort" in self.data else {}
        problems = []
        for name, each in given.items():
            sent = self.data[name]
            try:
                values[each.field_name] = each.field.clean(sent if isinstance(each, MultipleChoiceFilter) else sent[0])
            except forms.ValidationError as refused:
                problems.append(InvalidField(name, refused.messages[0]))
        raise_first(problems)
        if "statuses" in values:
            values["statuses"] = frozenset(map(Status, values["statuses"]))
        return self.queryset.narrowed(**values)


class JobFilterBackend(DjangoFilterBackend):  # type: ignore[misc]  # the library ships no types
    """django-filter's backend, for parameters that are read strictly."""

    def get_filterset_kwargs(self, request: Request, queryset: ListQuery, view: Any) -> dict[str, Any]:
        """Return the arguments of the filters.

        Raises:
            InvalidField: a parameter is not known, and seems to mean one that is.
        """
        names = [getattr(view.paginator, f"{name}_query_param", None) for name in ("page_size", "page", "cursor")]
        known = (*filter(None, names), "sort", *view.filterset_class.base_filters)
        return {"data": read_parameters(request, known, ignore_unknown=True), "queryset": queryset}
