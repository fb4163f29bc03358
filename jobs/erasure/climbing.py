"""Which of some rows are the person's, found from these up: as quick as they are few, whatever their tables hold."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from django.db.models import QuerySet

from ..execution.erasing import SMALL_SET, conditions, slices, with_keys
from .columns import key_held
from .graph import Kind, Link, Model
from .own_rows import keys_above, table_of
from .plan import Store
from .rows import PersonRows


def again(rows: PersonRows, store: Store, some: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of ``some`` that a store of the plan means now."""
    link = store.link
    if link is None:
        return among(rows, some)
    refers = _referred(link, _keys_of(some))
    found = {key for parent in _climb(rows, link.parent, refers) for key in refers[parent]}
    # A row that refers to another of the same person goes with it; nothing need be set in it.
    return with_keys(some, list(found - _climb(rows, link.child, found) if link.is_self else found))


def among(rows: PersonRows, some: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of ``some`` that are the person's now."""
    return with_keys(some, list(_climb(rows, some.model, _keys_of(some))))


def _keys_of(some: QuerySet[Any]) -> list[Any]:
    return list(some.order_by().values_list("pk", flat=True))


def _climb(rows: PersonRows, model: Model, keys: Collection[Any]) -> set[Any]:
    """Return those of the keys of a model's rows that are of the person's."""
    if not any(map(rows.has_reference, rows.plan.roots)):
        return set()  # no root is in all projects
    order = _with_those_above(rows, model)
    above: dict[Model, set[Any]] = defaultdict(set, {model: set(keys)})
    refers: dict[Link, dict[Any, list[Any]]] = {}
    for each in order:
        own = rows.plan.own_links(each)
        above[each].update(keys_above(each, own, above[each]))
        for link in (*own, *rows.links(each)):
            refers[link] = _referred(link, above[each])
            above[link.parent].update(refers[link])
    found: dict[Model, set[Any]] = {}
    for each in reversed(order):
        found[each] = _with_reference(rows, each, above[each])
        for link in rows.links(each):
            refer = refers[link]
            found[each].update(key for parent in found[link.parent] for key in refer.get(parent, ()))
        _add_below(found[each], [refers[link] for link in rows.plan.own_links(each)])
    return found[model].intersection(keys)


def _with_those_above(rows: PersonRows, model: Model) -> list[Model]:
    """Return a model with those that its rows may follow from, each before these."""
    ordered: dict[Model, None] = {}

    def add(each: Model) -> None:
        for link in rows.links(each) if each not in ordered else ():
            add(link.parent)
        ordered[each] = None

    add(model)
    return list(reversed(ordered))


def _referred(link: Link, keys: Collection[Any]) -> dict[Any, list[Any]]:
    """Return the keys of rows that these rows refer to by a link, each with those of these."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for parent, key in _pairs(link, keys):
        found[parent].append(key)
    return found


def _pairs(link: Link, keys: Collection[Any]) -> Iterator[tuple[Any, Any]]:
    if link.kind is Kind.PARENT:
        column = link.field.attname
        for some in slices(keys, SMALL_SET):
            refer = table_of(link.parent).filter(**{f"{column}__in": some})
            yield from refer.order_by().values_list("pk", column)
        return
    for are_some in conditions(link.child, keys):
        rows = table_of(link.child).filter(are_some).order_by()
        if link.kind is Kind.GENERIC:
            held = rows.filter(link.is_of_family).values_list(link.name, "pk")
            pairs = ((key_held(link.parent._meta.pk, text), key) for text, key in held)
            yield from (pair for pair in pairs if pair[0] is not None)
        else:
            name = link.field.name
            yield from rows.filter(**{f"{name}__isnull": False}).values_list(f"{name}__pk", "pk")


def _with_reference(rows: PersonRows, model: Model, keys: Collection[Any]) -> set[Any]:
    """Return the keys of those that have the reference."""
    if not rows.has_reference(model):
        return set()
    found = (rows.by_reference(model).filter(are_some) for are_some in conditions(model, keys))
    return {key for some in found for key in _keys_of(some)}


def _add_below(found: set[Any], refers: list[dict[Any, list[Any]]]) -> None:
    """Add the rows of the same table that refer to those found, and so on."""
    waiting = list(found) if refers else []
    while waiting:
        above = waiting.pop()
        more = {key for each in refers for key in each.get(above, ())} - found
        found |= more
        waiting += more
