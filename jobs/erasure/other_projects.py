"""Rows that an erase would take or change and must not: of other projects, or parts of rows that it erases."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.db.models import QuerySet

from .climbing import again, among
from .declaration import What
from .graph import Link, Model
from .own_rows import table_of
from .plan import Store, keys_to_project
from .rows import PersonRows, referring


def of_other_projects(rows: PersonRows) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Yield rows that would go or change and must not, with their label: of other projects, or parts of some.

    What follows from a root in all projects is meant, whatever its project.
    """
    here, plan = rows.of_this_project, rows.plan
    for model, node in plan.nodes.items():
        yield from _of_other_models(rows, model, rows.of(model))
        if plan.chosen[model] and node.what is not What.KEPT:
            yield from _elsewhere(rows, model, here.of(model), partial(rows.of_all_projects.of, model))
        for link in plan.set_with(model):
            meant = partial(_found_and_referring, link, partial(rows.of_all_projects.of, model))
            yield from _elsewhere(rows, link.child, referring(link, here.of(model)), meant)


def of_other_projects_with(rows: PersonRows, store: Store, some: QuerySet[Any]) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Yield as :func:`of_other_projects` some rows of a store, and those whose keys are set with them."""
    yield from _of_other_models(rows, store.model, some if store.link is None else some.none())
    if store.link is not None or rows.plan.chosen[store.model]:
        yield from _elsewhere(rows, store.model, some, partial(again, rows.of_all_projects, store, some))
    for link in rows.plan.set_with(store.model) if store.what is What.ERASED else ():
        meant = partial(_found_and_referring, link, partial(among, rows.of_all_projects, some))
        yield from _elsewhere(rows, link.child, referring(link, some), meant)


def _of_other_models(rows: PersonRows, model: Model, some: QuerySet[Any]) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Yield rows that are parts of ``some``, and that the map does not erase as such."""
    for path, other, key in rows.plan.not_with(model):
        yield str(other._meta.label), table_of(other).filter(**{f"{key}__in": some.values(path)})


def _elsewhere(
    rows: PersonRows, model: Model, some: QuerySet[Any], find_meant: Callable[[], QuerySet[Any]]
) -> Iterator[tuple[str, QuerySet[Any]]]:
    root = rows.plan.roots.get(model)
    for key in sorted({*keys_to_project(model), *([root.project] if root and root.project else ())}):
        elsewhere = some.filter(**{f"{key}__isnull": False}).exclude(**{key: rows.project})
        yield str(model._meta.label), elsewhere.exclude(pk__in=find_meant().values("pk"))


def _found_and_referring(link: Link, find: Callable[[], QuerySet[Any]]) -> QuerySet[Any]:
    return referring(link, find())
