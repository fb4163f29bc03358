"""``subject``: a kind of person with its map, and the actions that erase by it."""

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from ..actions import NAME, Action, action, all_actions
from ..exceptions import ActionMisused
from .declaration import Declaration, Entry, HostCall
from .planning import plan_of
from .running import run

if TYPE_CHECKING:
    from ..execution.context import JobContext

# Of columns of the same kind as the root's; ``*`` stands for anything.
DEFAULT_SUSPECTS: Final = frozenset(
    {"email", "*_email", "email_address", "username", "user_name", "login"}
    | {f"{whose}_id" for whose in ("user", "customer", "member", "person", "owner", "author")}
    | {f"{done}_by" for done in ("created", "updated", "changed", "modified", "deleted")}
)


class Subject(Declaration):
    """A kind of person, and what happens to their rows in every model; made by :func:`subject`."""

    def erase_action(self, name: str, **options: Any) -> "EraseHandler":
        """Register an action that erases a person by this map; ``options`` are those of ``@action``.

        The ``reference_id`` of its jobs is compared with the columns that ``by`` names, exactly as sent.

        Raises:
            ActionMisused, ActionNameTaken: as :func:`jobs.action`.
        """
        handler = EraseHandler(self)
        action(name, **options)(handler)
        return handler


class EraseHandler:
    """The handler of an action that erases by a map."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        # By this the registry tells the actions of different hosts apart.
        self.__qualname__ = f"{subject.module}.{subject.name}"

    def __call__(self, job: "JobContext") -> None:
        """Erase ``job.reference_id`` in ``job.project``."""
        run(self.subject, job)


def subject(name: str, *entries: Entry | HostCall, suspects: Collection[str] = DEFAULT_SUSPECTS) -> Subject:
    """Declare what happens to a person's rows in every model that they lead to.

    Args:
        name: what the map is of, as ``user``: lower-case letters, digits and ``_``.
        entries: what :func:`erase`, :func:`anonymise`, :func:`keep` and :func:`step` return.
        suspects: names of columns that ``manage.py check`` warns of in models that the map does not know, beside
            those that ``by`` names; ``*`` in a name stands for anything.

    Raises:
        ActionMisused: an argument is wrong. What models say is checked by ``manage.py check``.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ActionMisused(f"subject name {name!r} must be lower-case letters, digits and _, at most 100")
    for entry in entries:
        if not isinstance(entry, Entry | HostCall):
            raise ActionMisused(f"subject {name!r} takes erase(…), anonymise(…), keep(…) and step(…), not {entry!r}")
    if isinstance(suspects, str):
        raise ActionMisused(f"suspects of subject {name!r} must be several names, not {suspects!r}")
    module = sys._getframe(1).f_globals.get("__name__", "")
    return Subject(name=name, module=module, entries=entries, suspects=frozenset(suspects))


def mapped_actions() -> dict[str, Subject]:
    """Return the maps of all actions that have one, by the names of these."""
    handlers = {each.name: each.handler for each in all_actions()}
    return {name: handler.subject for name, handler in handlers.items() if isinstance(handler, EraseHandler)}


def first_receipt(action: Action) -> dict[str, Any]:
    """Return the receipt of a new job: by a map, the plan of today, which the run compares with its own."""
    return {"created_under": plan_of(action.handler.subject).digest} if isinstance(action.handler, EraseHandler) else {}
