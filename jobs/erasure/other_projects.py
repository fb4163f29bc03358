"""Rows of other projects that an erase would take or change, as they refer to rows of this one."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.db.models import QuerySet

from .climbing import again, among
from .declaration import What
from .graph import Link, Model
from .plan import Store, keys_to_project
from .rows import PersonRows, referring


def of_other_projects(rows: PersonRows) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Yield rows of other projects that would go or change, as they refer to rows of this one; with their label.

    What follows from a root in all projects is meant, whatever its project.
    """
    here, plan = rows.of_this_project, rows.plan
    for model, node in plan.nodes.items():
        if plan.chosen[model] and node.what is not What.KEPT:
            yield from _elsewhere(rows, model, here.of(model), partial(rows.of_all_projects.of, model))
        for link in plan.set_with(model):
            meant = partial(_found_and_referring, link, partial(rows.of_all_projects.of, model))
            yield from _elsewhere(rows, link.child, referring(link, here.of(model)), meant)


def of_other_projects_with(rows: PersonRows, store: Store, some: QuerySet[Any]) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Yield as :func:`of_other_projects` some rows of a store, and those whose keys are set with them."""
    if store.link is not None or rows.plan.chosen[store.model]:
        yield from _elsewhere(rows, store.model, some, partial(again, rows.of_all_projects, store, some))
    for link in rows.plan.set_with(store.model) if store.what is What.ERASED else ():
        meant = partial(_found_and_referring, link, partial(among, rows.of_all_projects, some))
        yield from _elsewhere(rows, link.child, referring(link, some), meant)


def _elsewhere(
    rows: PersonRows, model: Model, some: QuerySet[Any], find_meant: Callable[[], QuerySet[Any]]
) -> Iterator[tuple[str, QuerySet[Any]]]:
    root = rows.plan.roots.get(model)
    for key in sorted({*keys_to_project(model), *([root.project] if root and root.project else ())}):
        elsewhere = some.filter(**{f"{key}__isnull": False}).exclude(**{key: rows.project})
        yield str(model._meta.label), elsewhere.exclude(pk__in=find_meant().values("pk"))


def _found_and_referring(link: Link, find: Callable[[], QuerySet[Any]]) -> QuerySet[Any]:
    return referring(link, find())
