"""Whether a queryset leaves out rows without its reader seeing it: a manager, or a class of the host's, hides them."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

from django.db import connections
from django.db.models import Lookup, Manager, QuerySet
from django.db.models.expressions import Col
from django.db.models.sql import Query
from django.db.models.sql.where import AND, OR, WhereNode


class _NotSent(Exception):
    """In place of a statement that is read and not run."""


def adds_conditions_when_read(rows: QuerySet[Any], plain: QuerySet[Any]) -> bool:
    """Whether the class of ``rows`` sends another statement than ``plain``, which has the same query; sends neither."""
    if type(rows) is QuerySet:
        return False
    sent = _statement_of(rows)
    return sent is not None and sent != _statement_of(plain)  # None: nothing can match, or a cache knows


def find_hiding_manager(rows: QuerySet[Any]) -> tuple[str, str | None] | None:
    """Return the manager whose conditions ``rows`` have, and one that has none; None: ``rows`` have no manager's.

    A queryset does not know its manager. So its conditions are compared with those of each manager of its model.
    """
    managers: list[tuple[Manager[Any], list[Any]]] = []
    for manager in rows.model._meta.managers:
        # One that raises, for example outside a tenant's scope, has not made these rows either.
        with suppress(Exception):
            managers.append((manager, _conditions(_where(manager.get_queryset(), rows.db))))
    where = _where(rows, rows.db)
    for manager, conditions in managers:
        if conditions and all(_requires(where, condition) for condition in conditions):
            plain = next((other for other, hides in managers if not hides), None)
            return str(manager), None if plain is None else str(plain)
    return None


def _statement_of(rows: QuerySet[Any]) -> tuple[str, tuple[Any, ...]] | None:
    """Return the statement with which ``rows`` would be read."""
    sent: list[tuple[str, tuple[Any, ...]]] = []

    def take(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        sent.append((sql, tuple(params or ())))
        raise _NotSent

    with suppress(_NotSent), connections[rows.db].execute_wrapper(take):
        list(rows.all())
    return sent[0] if sent else None


def _where(rows: QuerySet[Any], alias: str) -> WhereNode:
    """Return the conditions; calls no method of the queryset, which may refuse all outside a scope of the host's."""
    query = rows.query.chain()
    query.get_compiler(using=alias)  # here django-safedelete adds its condition
    return query.where


def _conditions(where: WhereNode) -> list[Any]:
    return [_shape(part) for part in where.children] if where.connector == AND else [_shape(where)]


def _requires(part: Any, condition: Any) -> bool:
    """Whether only rows with this condition match: one of several that all must hold, or each of the alternatives."""
    if _shape(part) == condition:
        return True
    if not isinstance(part, WhereNode) or part.negated or part.connector not in (AND, OR):
        return False
    found = (_requires(child, condition) for child in part.children)
    return any(found) if part.connector == AND else all(found)


def _shape(part: Any) -> Any:
    """Return what a condition says, without aliases of tables, and without instants, which differ at each call."""
    if isinstance(part, WhereNode):
        return part.connector, part.negated, [_shape(child) for child in part.children]
    if isinstance(part, Query):
        return part.model, _shape(part.where)
    if isinstance(part, Col):
        return part.target
    if isinstance(part, Lookup):
        return type(part), _shape(part.lhs), _shape(part.rhs)
    if hasattr(part, "get_source_expressions"):
        return type(part), [_shape(source) for source in part.get_source_expressions()]
    return date if isinstance(part, date) else getattr(part, "sqls", part)  # `sqls` are those of `extra(where=…)`
