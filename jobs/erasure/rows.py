"""The rows of one person: for each model of a plan, a queryset of those that the map means."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db.models import F, QuerySet
from django.db.models.expressions import RawSQL

from ..db.connection import jobs_connection
from ..execution.erasing import is_deleted_in_sets
from .columns import is_exactly, key_as
from .declaration import What
from .graph import Kind, Link, Model
from .own_rows import below_own, table_of
from .plan import Hop, Plan, Root, Store, follow

# So many subqueries are written one inside the other, for which PostgreSQL has its best plans; SQLite cannot read many.
MOST_NESTED: Final = 3


@dataclass(kw_only=True, eq=False)
class PersonRows:
    """The rows of the person ``reference`` in ``project``, by a plan. All querysets are of tables, not of managers."""

    plan: Plan
    project: Any
    reference: str
    # The roots that rows are followed from; None: all of the plan.
    roots: dict[Model, Root] | None = None
    # Rows of one model that others are followed from, in place of the roots; and links by which none are.
    start: QuerySet[Any] | None = None
    passed: Collection[Link] = ()
    _found: dict[Model, QuerySet[Any]] = field(default_factory=dict)
    _depths: dict[Model, int] = field(default_factory=dict)
    _bodies: dict[Model, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)

    def of(self, model: Model) -> QuerySet[Any]:
        """Return the person's rows of a model: those that have the reference, and those that follow from others."""
        if model not in self._found:
            parents = [link.parent for link in self.links(model)]
            if self._is_nested(model):
                self._found[model] = self._nested(model)
            elif self.start is None and not self.plan.own_links(model) and all(map(self._is_nested, parents)):
                # `OR` of the searches would read the whole table, and a table with a name would be read in each chunk.
                first, *more = (rows.order_by().values("pk") for rows in self._ways(model))
                self._found[model] = table_of(model).filter(pk__in=first.union(*more, all=True))
            else:
                self._found[model] = self._by_statement(model)
        return self._found[model]

    def of_store(self, store: Store) -> QuerySet[Any]:
        """Return the rows that a store of the plan deletes, changes or keeps."""
        if store.link is None:
            return self.of(store.model)
        rows = referring(store.link, self.of(store.link.parent))
        # A row that refers to another of the same person goes with it; nothing need be set in it.
        return rows.exclude(pk__in=self.of(store.model).values("pk")) if store.link.is_self else rows

    def met_by(self, store: Store) -> QuerySet[Any]:
        """Return the rows that a store will find when its turn comes: without those that others have done by then."""
        rows = changed_by(store, self.of_store(store))
        before = self.plan.stores[: self.plan.stores.index(store)]
        is_erased = any(each.model is store.model and each.what is What.ERASED for each in before)
        return rows.exclude(pk__in=self.of(store.model).values("pk")) if is_erased and store.link is not None else rows

    def with_reference(self) -> Iterator[QuerySet[Any]]:
        """Yield the rows that have the reference, of each root."""
        return map(self.by_reference, self.plan.roots)

    # ------------------------------------------------------------ what keeps rows from being erased or changed

    def undone_below(self, store: Store, rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield what is found by these rows of a store and must be done before they are: not rows that go with them.

        What is done to them would hide it: from the search that verifies, and from a further attempt.
        """
        model, link, links = store.model, store.link, self.plan.links_from(store.model)
        # Only rows that are found by a path through the key.
        is_apart = link is not None and link not in self.plan.chosen[model]
        # Django would read rows that go with them before it deletes them: meanwhile, they may have been given away.
        is_in_sets = store.what is What.ERASED and is_deleted_in_sets(rows)
        passed = [each for each in links if is_apart or (is_in_sets and self.plan.goes_with(each))]
        below = self._but(start=rows, passed=passed)
        for other in self.plan.stores:
            to = other.model if other.link is None else other.link.parent
            if other is store or other.what in (What.KEPT, What.CALLED) or self.plan.is_done_by_django(other):
                continue
            if to in below._reached and not (to is model and (other.link is None or is_apart)):
                yield changed_by(other, below.of_store(other))
            elif to is model and link is not None and other.link is None:
                yield changed_by(other, self._found_by(link, rows))

    @cached_property
    def of_this_project(self) -> "PersonRows":
        """The rows that follow from roots in the job's project."""
        return self._but(roots={model: root for model, root in self.plan.roots.items() if root.project})

    @cached_property
    def of_all_projects(self) -> "PersonRows":
        """The rows that follow from roots in all projects."""
        return self._but(roots={model: root for model, root in self.plan.roots.items() if not root.project})

    def _but(self, **changes: Any) -> "PersonRows":
        return replace(self, _found={}, _depths={}, _bodies={}, **changes)

    def _found_by(self, link: Link, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of the rows that are the person's by the key of a link."""
        if link in self.plan.chosen[link.child]:
            return rows
        if any(hop.root is link.child and hop.path.split("__")[0] == link.field.name for hop in self.plan.hops):
            return rows.filter(pk__in=self.by_reference(link.child).values("pk"))
        return rows.none()

    # ------------------------------------------------------------ by which ways rows are found

    @cached_property
    def _reached(self) -> set[Model]:
        """The models of which rows are found: all of the plan, or those that follow from the start."""
        if self.start is None:
            return set(self.plan.nodes)
        found: set[Model] = set()
        more = {self.start.model}
        while more:
            found |= more
            by_links = {each.child for model in more for each in self.plan.links_from(model) if each not in self.passed}
            more = (by_links | {hop.root for hop in self.plan.hops if hop.model in more}) - found
        return found

    def has_reference(self, model: Model) -> bool:
        return self.start is None and model in (self.plan.roots if self.roots is None else self.roots)

    def links(self, model: Model) -> list[Link]:
        if self.start is not None and self.start.model is model:
            return []
        links = [link for link in self.plan.chosen[model] if not link.is_self and link not in self.passed]
        return [link for link in links if link.parent in self._reached]

    def _hops(self, model: Model) -> list[Hop]:
        """Return the paths by which rows with the reference are found from the start."""
        if self.start is None or self.start.model is model:
            return []
        return [hop for hop in self.plan.hops if hop.root is model and hop.model in self._reached]

    def by_reference(self, model: Model) -> QuerySet[Any]:
        root = self.plan.roots[model]
        rows = table_of(model).filter(**({root.project: self.project} if root.project else {}))
        can_hold = is_exactly(follow(model, root.by), self.reference)
        return rows.filter(**{root.by: self.reference}) if can_hold else rows.none()

    # ------------------------------------------------------------ as a subquery, or as a statement of many tables

    def _is_nested(self, model: Model) -> bool:
        """Whether rows are found by one way, from few tables; memoized, as the ways to a model may be many."""
        if model not in self._depths:
            self._depths[model] = self._depth(model)
        return self._depths[model] <= MOST_NESTED

    def _depth(self, model: Model) -> int:
        links = self.links(model)
        is_start = self.start is not None and self.start.model is model
        if is_start or self._hops(model) or self.plan.own_links(model) or len(links) + self.has_reference(model) > 1:
            return MOST_NESTED + 1
        if links and self._is_nested(links[0].parent):
            return self._depths[links[0].parent] + 1
        return MOST_NESTED + 1 if links else 0

    def _nested(self, model: Model) -> QuerySet[Any]:
        if self.has_reference(model):
            return self.by_reference(model)
        links = self.links(model)
        return referring(links[0], self.of(links[0].parent)) if links else table_of(model).none()

    def _by_statement(self, model: Model) -> QuerySet[Any]:
        """Return rows by a statement with a named table for each model that they follow from, each written once."""
        ordered: dict[Model, None] = {}
        self._add_named(model, ordered)
        bodies = [(each, *self._body(each)) for each in ordered]
        tables = ", ".join(f"{self._name(each)} (id) AS ({sql})" for each, sql, _ in bodies)
        params = tuple(param for *_, params in bodies for param in params)
        return _among(model, f"WITH RECURSIVE {tables} SELECT id FROM {self._name(model)}", params)  # noqa: S608 – names, and what the ORM compiled

    def _add_named(self, model: Model, ordered: dict[Model, None]) -> None:
        """Add a model to those of a statement, after all that its rows follow from."""
        if model in ordered or self._is_nested(model):
            return
        for each in (*(link.parent for link in self.links(model)), *(hop.model for hop in self._hops(model))):
            self._add_named(each, ordered)
        ordered[model] = None

    def _name(self, model: Model) -> str:
        """Return the name of a model's rows in a statement: no table should have it."""
        return jobs_connection().ops.quote_name(f"rows of node {list(self.plan.nodes).index(model)}")

    def _body(self, model: Model) -> tuple[str, tuple[Any, ...]]:
        if model not in self._bodies:
            parts = [each for each in map(compiled, self._ways(model)) if each is not None]
            if not parts:
                nothing = compiled(table_of(model).extra(where=["1 = 0"]))
                parts = [nothing] if nothing is not None else []
            sql = " UNION ".join(sql for sql, _ in parts)
            sql += below_own(model, self.plan.own_links(model), name=self._name(model))
            self._bodies[model] = sql, tuple(param for _, params in parts for param in params)
        return self._bodies[model]

    def _ways(self, model: Model) -> Iterator[QuerySet[Any]]:
        """Yield the rows that are found by each way, from those that the statement names."""
        if self.start is not None and self.start.model is model:
            yield self.start
        if self.has_reference(model):
            yield self.by_reference(model)
        for link in self.links(model):
            yield referring(link, self._named(link.parent))
        for hop in self._hops(model):
            yield self.by_reference(model).filter(**{f"{hop.path}__pk__in": self._named(hop.model).values("pk")})

    def _named(self, model: Model) -> QuerySet[Any]:
        if self._is_nested(model):
            return self.of(model)
        return _among(model, f"SELECT id FROM {self._name(model)}")  # noqa: S608 – a name


def changed_by(store: Store, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of ``rows`` that the store changes: all, or those that have other values than it sets."""
    if store.what is What.KEPT or not store.values:
        return rows
    same = dict((f"{name}__isnull", True) if value is None else (name, value) for name, value in store.values.items())
    return rows.exclude(**same)


def compiled(rows: QuerySet[Any]) -> tuple[str, tuple[Any, ...]] | None:
    """Return the statement for the keys of rows. None: no row can match."""
    try:
        sql, params = rows.order_by().values("pk").query.get_compiler(using=rows.db).as_sql()
    except EmptyResultSet:
        return None
    return sql, tuple(params)


def _among(model: Model, sql: str, params: tuple[Any, ...] = ()) -> QuerySet[Any]:
    return table_of(model).filter(pk__in=RawSQL(sql, params))  # noqa: S611 – names, and what the ORM compiled


def referring(link: Link, parents: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows that refer to ``parents`` by a link."""
    rows = table_of(link.child)
    if link.kind is Kind.PARENT:
        return rows.filter(pk__in=parents.values(link.field.attname))
    if link.kind is Kind.GENERIC:
        return rows.filter(link.is_of_family, **{f"{link.name}__in": _generic_keys(link, parents)})
    return rows.filter(**{f"{link.field.name}__in": parents})


def _generic_keys(link: Link, parents: QuerySet[Any]) -> QuerySet[Any]:
    key = key_as(link.generic_key, link.parent._meta.pk)
    return parents.values("pk") if isinstance(key, F) else parents.annotate(found_key=key).values("found_key")
