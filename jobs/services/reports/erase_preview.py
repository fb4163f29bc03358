"""The preview of an erase: what a job by a map would do to a person's rows, counted at one instant."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from django.db import Error, models
from django.db.models import QuerySet

from ...actions import get_action
from ...db.connection import jobs_connection, service_transaction, supports_row_locks
from ...db.errors import ErrorKind, kind_of
from ...db.snapshot import read_snapshot
from ...erasure.declaration import What
from ...erasure.other_projects import of_other_projects
from ...erasure.plan import Plan
from ...erasure.planning import sound_plan_of
from ...erasure.rows import PersonRows
from ...erasure.subjects import EraseHandler
from ...exceptions import InvalidField, TooSlow
from ..search.limits import stopped_by_sqlite, typed_timeouts

PREVIEW_SECONDS: Final = 5.0
CURE: Final = "try again later"
# Counted first: if the whole takes too long, there are at least so many.
BOUNDS: Final = (1_000, 100_000)


@dataclass(frozen=True, kw_only=True)
class StorePreview:
    """What a job would do in one store; ``rows`` is None for files and a function of the host's."""

    name: str
    what: What
    because: str
    rows: int | None
    # The count ran out of time: there are ``rows`` or more.
    is_at_least: bool = False
    # The reference is searched for in it; the rows of other stores follow.
    is_root: bool = False


@dataclass(frozen=True, kw_only=True)
class ErasePreview:
    """What a job would do, store by store in its order, under the plan of this name."""

    plan: str
    stores: tuple[StorePreview, ...]
    # The label of a model with rows of another project that would go, too: such a job fails and changes nothing.
    refused_by: str | None
    # No root has a row: perhaps the reference is mistyped.
    found_nothing: bool


def preview_erase(
    action: str, *, project: models.Model, reference_id: str, seconds: float = PREVIEW_SECONDS
) -> ErasePreview:
    """Return what a job of this action would do now; changes nothing.

    All counts are of one instant. They take ``seconds`` in all at most; what is not counted by then is "at least".

    Raises:
        UnknownAction: no such action is registered.
        InvalidField: the action erases by no map.
        TooSlow: whether rows of another project would go, too, is not found out within ``seconds``.
        ActionMisused: the map has errors that ``manage.py check`` reports.
    """
    plan = plan_behind(action)
    rows = PersonRows(plan=plan, project=project, reference=reference_id)
    roots = frozenset(plan.root_stores)
    ends_at = time.monotonic() + seconds
    stores = []
    with read_snapshot():
        with typed_timeouts(CURE):
            refused_by = _find_refusing(rows, ends_at=ends_at)
        for store in plan.stores:
            found, is_at_least = (None, False) if store.model is None else _count(rows.met_by(store), ends_at=ends_at)
            stores.append(
                StorePreview(
                    name=store.name,
                    what=store.what,
                    because=store.because,
                    rows=found,
                    is_at_least=is_at_least,
                    is_root=store.name in roots,
                )
            )
        found_nothing = not any(each.rows or each.is_at_least for each in stores if each.is_root)
        if found_nothing:  # unless an earlier job has anonymised them
            found_nothing = not any(any(_count(found, ends_at=ends_at)) for found in rows.with_reference())
    return ErasePreview(plan=plan.digest, stores=tuple(stores), refused_by=refused_by, found_nothing=found_nothing)


def _find_refusing(rows: PersonRows, *, ends_at: float) -> str | None:
    """Return the label of a model with rows of another project that would go or change; None: there is none.

    Raises:
        TooSlow: the time has run out.
    """
    for label, elsewhere in of_other_projects(rows):
        seconds = ends_at - time.monotonic()
        if seconds <= 0:
            raise TooSlow(CURE)
        with _limited(seconds):
            if elsewhere.exists():
                return label
    return None


def plan_behind(action: str) -> Plan:
    """Return the plan that jobs of this action follow.

    Raises:
        UnknownAction, InvalidField, ActionMisused: as in :func:`preview_erase`.
    """
    handler = get_action(action).handler
    if not isinstance(handler, EraseHandler):
        raise InvalidField("action", f"{action} erases by no map, so it has no preview")
    return sound_plan_of(handler.subject)


def _count(rows: QuerySet[models.Model], *, ends_at: float) -> tuple[int, bool]:
    """Return how many rows there are, and whether there may be more, as the time has run out."""
    found = 0
    for bound in (*BOUNDS, None):
        seconds = ends_at - time.monotonic()
        if seconds <= 0:
            return found, True
        try:
            with _limited(seconds):
                found = rows.order_by()[:bound].count()
        except Error as error:
            if kind_of(error) is not ErrorKind.TOO_SLOW:
                raise
            return found, True
        if bound is None or found < bound:
            break
    return found, False


def _limited(seconds: float) -> AbstractContextManager[object]:
    """Let each statement of the block take so long at most."""
    if supports_row_locks(jobs_connection()):
        return service_transaction(statement_seconds=seconds)
    return stopped_by_sqlite(statement_seconds=seconds)
