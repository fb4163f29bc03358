"""What a host declares of a kind of person: what happens to their rows in each model. No model is read here."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..exceptions import ActionMisused

if TYPE_CHECKING:
    from django.db.models import Model

    from ..execution.context import JobContext

# A model, or its label: ``shop.Session``.
ModelOrLabel: TypeAlias = "type[Model] | str"

# A receipt is read by integrators, and kept.
MOST_CHARACTERS: Final = 200


class What(StrEnum):
    """What happens to the rows of a store, in the words of receipts."""

    ERASED = "erased"
    ANONYMISED = "anonymised"
    KEPT = "kept"
    SET_NULL = "setNull"
    CALLED = "called"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """What happens to the person's rows of one model; see :func:`erase`, :func:`anonymise` and :func:`keep`."""

    model: Any
    what: What
    by: str | None = None
    via: tuple[str, ...] = ()
    project: str | None = None
    across_projects: bool = False
    store: str | None = None
    because: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class HostCall:
    """A function of the host's that runs at its place in the map; see :func:`step`."""

    function: "Callable[[JobContext], object]"
    store: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Declaration:
    """What happens to the rows of a kind of person in every model; see :func:`jobs.erasure.subject`."""

    name: str
    # The host's module that declares it.
    module: str
    entries: tuple[Entry | HostCall, ...]
    suspects: frozenset[str]


def erase(
    model: ModelOrLabel,
    *,
    by: str | None = None,
    via: str | Collection[str] = (),
    project: str | None = None,
    across_projects: bool = False,
    store: str | None = None,
) -> Entry:
    """Delete the person's rows of ``model``.

    Args:
        model: the model, or its label.
        by: the column that holds the reference, or a path to it; without it, the rows follow from other models.
        via: the keys by which rows follow, where some of several are meant; else all that need it.
        project: the path from the rows to their project; needed where the model has not one key to it.
        across_projects: the rows of all projects, where the model knows no project or all are meant.
        store: the name in the receipt, else the model's label.
    """
    facts = {"by": by, "project": project, "across_projects": across_projects, "store": store}
    return _entry(model, what=What.ERASED, via=via, **facts)


def anonymise(
    model: ModelOrLabel,
    *,
    by: str | None = None,
    via: str | Collection[str] = (),
    project: str | None = None,
    across_projects: bool = False,
    store: str | None = None,
    values: Mapping[str, Any] | None = None,
    **columns: Any,
) -> Entry:
    """Set constants in the person's rows of ``model``, which stay; other arguments as :func:`erase`.

    ``columns`` are the constants by column. ``values`` are more of them, for columns with names of arguments. A key
    set to ``None`` is set only where it refers to the person's rows, and detaches the row from these. With ``via``, it
    may be said of a model that has an entry already, for rows that refer by other keys.

    Raises:
        ActionMisused: there is no constant.
    """
    constants = {**(values or {}), **columns}
    if not constants:
        raise ActionMisused(f"anonymise({model!r}) takes the values to set, as email=''")
    facts = {"by": by, "project": project, "across_projects": across_projects, "store": store, "values": constants}
    return _entry(model, what=What.ANONYMISED, via=via, **facts)


def keep(
    model: ModelOrLabel,
    *,
    because: str,
    by: str | None = None,
    project: str | None = None,
    across_projects: bool = False,
    store: str | None = None,
) -> Entry:
    """Leave the person's rows of ``model``, and all that refers to them, and count them in the receipt.

    ``because`` is the reason, which integrators read: no personal data, at most 200 characters. A model that nothing
    leads to may be kept, too: then it is no suspect, and not counted.

    Raises:
        ActionMisused: there is no reason.
    """
    if not isinstance(because, str) or not because.strip() or len(because) > MOST_CHARACTERS:
        raise ActionMisused(f"keep({model!r}) needs because='…', at most {MOST_CHARACTERS} characters")
    facts = {"by": by, "project": project, "across_projects": across_projects, "store": store, "because": because}
    return _entry(model, what=What.KEPT, via=(), **facts)


def step(function: "Callable[[JobContext], object]", *, store: str | None = None) -> HostCall:
    """Run ``function`` with the job at this place of the map, at least once: for what is in no table.

    Before all models if it is declared before them, after all if after them; else before the model declared next.
    The receipt has it under ``store``, else under the name of the function.

    Raises:
        ActionMisused: it cannot be called, or has no name.
    """
    name = store or getattr(function, "__name__", "")
    if not callable(function) or not name:
        raise ActionMisused(f"step({function!r}) takes a function, and store='…' where it has no name")
    return HostCall(function=function, store=name)


def _entry(model: ModelOrLabel, *, via: str | Collection[str], **facts: Any) -> Entry:
    project, across_projects = facts["project"], facts["across_projects"]
    if facts["by"] is None and (project is not None or across_projects):
        raise ActionMisused(f"project and across_projects of {model!r} need by=, as the other rows follow")
    if project is not None and across_projects:
        raise ActionMisused(f"{model!r} has project={project!r} or across_projects=True, not both")
    return Entry(model=model, via=(via,) if isinstance(via, str) else tuple(via), **facts)
