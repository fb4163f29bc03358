"""The rows of one person: for each model of a plan, a queryset of those that the map means."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, F, ForeignKey, IntegerField, OuterRef, Q, QuerySet

from ..db.connection import jobs_connection
from .choosing import detaches
from .declaration import What
from .graph import Kind, Link, Model
from .keys import key_as
from .own_rows import with_own
from .plan import Plan, Root, Store, follow, keys_to_project


@dataclass(kw_only=True, eq=False)
class PersonRows:
    """The rows of the person ``reference`` in ``project``, by a plan. All querysets are of tables, not of managers."""

    plan: Plan
    project: Any
    reference: str
    # The roots that rows are followed from; None: all of the plan.
    roots: dict[Model, Root] | None = None
    _found: dict[Model, QuerySet[Any]] = field(default_factory=dict)

    def of(self, model: Model) -> QuerySet[Any]:
        """Return the person's rows of a model: those that have the reference, and those that follow from others."""
        if model not in self._found:
            links = [link for link in self.plan.chosen[model] if not link.is_self]
            ways = [self._by_link(link) for link in links]
            if model in self.plan.roots:
                ways.insert(0, self._by_reference(model))
            # `OR` of two searches would read the whole table.
            rows = ways[0] if len(ways) == 1 else table_of(model).filter(pk__in=_union(ways))
            self._found[model] = with_own(rows, self.plan.own_links(model))
        return self._found[model]

    def of_store(self, store: Store) -> QuerySet[Any]:
        """Return the rows that a store of the plan deletes, changes or keeps."""
        if store.link is None:
            return self.of(store.model)
        rows = self._by_link(store.link)
        # A row that refers to another of the same person goes with it; nothing need be set in it.
        return rows.exclude(pk__in=self.of(store.model).values("pk")) if store.link.is_self else rows

    def met_by(self, store: Store) -> QuerySet[Any]:
        """Return the rows that a store will find when its turn comes: without those that others have done by then."""
        rows = changed_by(store, self.of_store(store))
        before = self.plan.stores[: self.plan.stores.index(store)]
        is_erased = any(each.model is store.model and each.what is What.ERASED for each in before)
        return rows.exclude(pk__in=self.of(store.model).values("pk")) if is_erased and store.link is not None else rows

    def ready_for(self, store: Store) -> QuerySet[Any]:
        """Return those rows of a store by which no row of another is found that is still to be done.

        What is done to the rest would hide such a row: from the search that verifies, and from a further attempt.
        """
        rows = self.of_store(store)
        found = self._undone_by(store.model, store.what) if store.link is None else self._undone_in(store.link)
        # In an alias, so that rows are locked, and matched again, before anything is done to them.
        hidden = {f"hides_{number}": Exists(undone) for number, undone in enumerate(found)}
        return rows.alias(**hidden).filter(**dict.fromkeys(hidden, False)) if hidden else rows

    def of_other_projects(self) -> Iterator[tuple[str, QuerySet[Any]]]:
        """Yield rows of other projects that would go or change, as they refer to rows of this one; with their label.

        What follows from a root in all projects is meant, whatever its project.
        """
        bound = {model: root for model, root in self.plan.roots.items() if root.project}
        free = {model: root for model, root in self.plan.roots.items() if not root.project}
        here, everywhere = (replace(self, roots=roots, _found={}) for roots in (bound, free))
        for model in self.plan.nodes:
            root = self.plan.roots.get(model)
            keys = {*keys_to_project(model), *([root.project] if root and root.project else ())}
            for rows, meant in zip(here._touched(model), everywhere._touched(model), strict=True) if keys else ():
                for key in sorted(keys):
                    elsewhere = rows.filter(**{f"{key}__isnull": False}).exclude(**{key: self.project})
                    yield str(model._meta.label), elsewhere.exclude(pk__in=meant.values("pk"))

    # ------------------------------------------------------------ inside

    def _touched(self, model: Model) -> list[QuerySet[Any]]:
        """Return the rows of a model that follow from others, and those whose keys Django sets as others go."""
        chosen = self.plan.chosen[model]
        is_set = [link for link in self.plan.nodes[model].links if link not in chosen and not link.is_forcing]
        return [*([self.of(model)] if chosen else []), *map(self._by_link, is_set)]

    def _by_reference(self, model: Model) -> QuerySet[Any]:
        if self.roots is not None and model not in self.roots:
            return table_of(model).none()
        root = self.plan.roots[model]
        rows = table_of(model).filter(**({root.project: self.project} if root.project else {}))
        is_value = _is_exactly(follow(model, root.by), self.reference)
        return rows.filter(**{root.by: self.reference}) if is_value else rows.none()

    def _by_link(self, link: Link) -> QuerySet[Any]:
        """Return the rows that refer to the person's rows of the link's parent."""
        rows, parents = table_of(link.child), self.of(link.parent)
        if link.kind is Kind.PARENT:
            return rows.filter(pk__in=parents.values(link.field.attname))
        if link.kind is Kind.GENERIC:
            return rows.filter(_is_of_family(link), **{f"{link.name}__in": _generic_keys(link, parents)})
        return rows.filter(**{f"{link.field.name}__in": parents})

    def _undone_by(self, model: Model, what: What) -> Iterator[QuerySet[Any]]:
        """Yield what is found by one row of a model and must be done before ``what`` is: not rows that go with it."""
        for link in self.plan.links_from(model):
            child = self.plan.nodes[link.child]
            if what is not What.ERASED or child.what is not What.ERASED or self.plan.leaves_rows(link):
                # Django sets another key than NULL when the row goes, and not before.
                is_set_late = child.what is What.ANONYMISED and not (link.is_nulled or detaches(child.entry, link))
                yield from self._undone(link.child, _referring(link), What.SET_NULL if is_set_late else what)
        yield from self._undone_on_paths(model)

    def _undone_in(self, link: Link) -> Iterator[QuerySet[Any]]:
        """Yield what must be done before the key of a row is set to NULL: the row itself, if it is found by the key."""
        model = link.child
        row = Q(pk=OuterRef("pk"))
        if link in self.plan.chosen[model]:
            yield from self._undone(model, table_of(model).filter(row), What.SET_NULL)
        elif any(hop.root is model and hop.path.split("__")[0] == link.field.name for hop in self.plan.hops):
            yield from self._undone(model, self._by_reference(model).filter(row), What.SET_NULL)
        yield from self._undone_on_paths(model)

    def _undone_on_paths(self, model: Model) -> Iterator[QuerySet[Any]]:
        """Yield the rows with the reference that are found by a path through one row of a model."""
        for hop in self.plan.hops:
            if hop.model is model:
                found = self._by_reference(hop.root).filter(**{f"{hop.path}__pk": OuterRef("pk")})
                yield from self._undone(hop.root, found, What.SET_NULL)

    def _undone(self, model: Model, rows: QuerySet[Any], what: What) -> Iterator[QuerySet[Any]]:
        """Yield those of ``rows`` that are still to be done, or by which such rows are found.

        They are found by a row of which ``what`` is to be done.
        """
        node = self.plan.nodes[model]
        if node.what is What.ERASED and not node.is_part:
            yield rows
        elif node.what is What.ANONYMISED and not node.is_part and what is What.ERASED:
            yield rows  # done are those that are detached
        elif node.what is not What.KEPT and node.what is not None:
            if not node.is_part:
                store = next(each for each in self.plan.stores if each.model is model and each.link is None)
                yield changed_by(store, rows)
            yield from (rows.filter(Exists(found)) for found in self._undone_by(model, what))


def changed_by(store: Store, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of ``rows`` that the store changes: all, or those that have other values than it sets."""
    if store.what is What.KEPT or not store.values:
        return rows
    same = dict((f"{name}__isnull", True) if value is None else (name, value) for name, value in store.values.items())
    return rows.exclude(**same)


def table_of(model: Model) -> QuerySet[Any]:
    """Return all rows of a model's table, whatever managers hide."""
    return QuerySet(model=model, using=jobs_connection().alias)


def _union(ways: list[QuerySet[Any]]) -> QuerySet[Any]:
    first, *more = (rows.order_by().values("pk") for rows in ways)
    return first.union(*more, all=True)


def _referring(link: Link) -> QuerySet[Any]:
    """Return the rows that refer to one row of the link's parent, that of an outer query."""
    rows = table_of(link.child)
    if link.kind is Kind.PARENT:
        return rows.filter(pk=OuterRef(link.field.attname))
    if link.kind is Kind.GENERIC:
        key = key_as(link.generic_key, link.parent._meta.pk, at=OuterRef("pk"))
        return rows.filter(_is_of_family(link), **{link.name: key})
    return rows.filter(**{link.field.name: OuterRef(link.field.target_field.attname)})


def _generic_keys(link: Link, parents: QuerySet[Any]) -> QuerySet[Any]:
    key = key_as(link.generic_key, link.parent._meta.pk)
    return parents.values("pk") if isinstance(key, F) else parents.annotate(found_key=key).values("found_key")


def _is_of_family(link: Link) -> Q:
    """Return the condition that a generic key names the type of a parent, or of a proxy of it."""
    is_of_type = Q()
    # Each label whole: the name of one type in the app of another may be a third.
    for app, name in sorted({(each._meta.app_label, each._meta.model_name) for each in link.family}):
        of_type = link.field.content_type_field_name
        is_of_type |= Q(**{f"{of_type}__app_label": app, f"{of_type}__model": name})
    return is_of_type


def _is_exactly(found: Any, reference: str) -> bool:
    """Whether a column can hold the reference so that it reads the same: ``007`` is no number, and not 7."""
    while isinstance(found, ForeignKey):
        found = found.target_field
    try:
        return str(found.to_python(reference)) == reference and _is_in_range(found, reference)
    except (ValidationError, ValueError):
        return False


def _is_in_range(found: Any, reference: str) -> bool:
    """Whether a column of whole numbers can hold the reference; Django checks this of the column, not of keys to it."""
    if not isinstance(found, IntegerField):
        return True
    least, most = jobs_connection().ops.integer_field_range(found.get_internal_type())
    return (least is None or int(reference) >= least) and (most is None or int(reference) <= most)
