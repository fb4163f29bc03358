"""The rows of one person: for each model of a plan, a queryset of those that the map means."""

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connections
from django.db.models import CharField, ForeignKey, IntegerField, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from ..db.connection import jobs_connection
from .declaration import What
from .graph import Kind, Link, Model
from .plan import Plan, Store, follow, keys_to_project


@dataclass(kw_only=True, eq=False)
class PersonRows:
    """The rows of the person ``reference`` in ``project``, by a plan. All querysets are of tables, not of managers."""

    plan: Plan
    project: Any
    reference: str
    _found: dict[Model, QuerySet[Any]] = field(default_factory=dict)

    def of(self, model: Model) -> QuerySet[Any]:
        """Return the person's rows of a model: those that have the reference, and those that follow from others."""
        if model not in self._found:
            links = [link for link in self.plan.chosen[model] if not link.is_self]
            ways = [self._by_link(link) for link in links]
            if model in self.plan.roots:
                ways.insert(0, self._by_reference(model))
            # `OR` of two searches would read the whole table.
            rows = ways[0] if len(ways) == 1 else _table(model).filter(pk__in=_union(ways))
            self._found[model] = self._with_own(rows, [link for link in self.plan.chosen[model] if link.is_self])
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
        earlier = {
            each.model
            for each in self.plan.stores[: self.plan.stores.index(store)]
            if each.what is What.ERASED and each.link is None
        }
        if store.link is not None:
            return rows.exclude(pk__in=self.of(store.model).values("pk")) if store.model in earlier else rows
        for model in earlier:
            # The row of a child model took its part in this table with it.
            for link in self.plan.chosen[model]:
                if link.kind is Kind.CHILD and link.parent is store.model:
                    rows = rows.exclude(pk__in=self.of(model).values("pk"))
        return rows

    def of_other_projects(self) -> str:
        """Return the label of a model with rows of another project that refer to rows of this person; empty: none."""
        if any(not root.project for root in self.plan.roots.values()):
            return ""  # the map means the rows of all projects
        for store in self.plan.stores:
            if store.model is None or not (store.link is not None or self.plan.chosen[store.model]):
                continue
            root = self.plan.roots.get(store.model)
            for key in {*keys_to_project(store.model), *([root.project] if root else ())}:
                elsewhere = self.of_store(store).filter(**{f"{key}__isnull": False}).exclude(**{key: self.project})
                if elsewhere.exists():
                    return str(store.model._meta.label)
        return ""

    # ------------------------------------------------------------ inside

    def _by_reference(self, model: Model) -> QuerySet[Any]:
        root = self.plan.roots[model]
        rows = _table(model).filter(**({root.project: self.project} if root.project else {}))
        is_value = _is_exactly(follow(model, root.by), self.reference)
        return rows.filter(**{root.by: self.reference}) if is_value else rows.none()

    def _by_link(self, link: Link) -> QuerySet[Any]:
        """Return the rows that refer to the person's rows of the link's parent."""
        rows, parents = _table(link.child), self.of(link.parent)
        if link.kind is Kind.PARENT:
            return rows.filter(pk__in=parents.values(link.field.attname))
        if link.kind is Kind.KEY or link.kind is Kind.CHILD:
            return rows.filter(**{f"{link.field.name}__in": parents})
        return rows.filter(_generic(link, parents))

    def _with_own(self, rows: QuerySet[Any], links: list[Link]) -> QuerySet[Any]:
        """Add the rows that refer to ``rows`` within their table, and those that refer to these, and so on."""
        if not links:
            return rows
        model, quote = rows.model, connections[rows.db].ops.quote_name
        try:
            first, params = rows.order_by().values("pk").query.get_compiler(using=rows.db).as_sql()
        except EmptyResultSet:
            return rows.none()
        table, key = quote(model._meta.db_table), quote(model._meta.pk.column)
        refers = " OR ".join(
            f"child.{quote(link.field.column)} = parent.{quote(link.field.target_field.column)}" for link in links
        )
        sql = f"""WITH RECURSIVE found (id) AS ({first} UNION SELECT child.{key} FROM found
                  JOIN {table} parent ON parent.{key} = found.id JOIN {table} child ON {refers})
                  SELECT id FROM found"""  # noqa: S608 – names, and what the ORM compiled
        return _table(model).filter(pk__in=RawSQL(sql, params))  # noqa: S611 – as above


def changed_by(store: Store, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of ``rows`` that the store changes: all, or those that have other values than it sets."""
    if store.what is What.KEPT or not store.values:
        return rows
    same = dict((f"{name}__isnull", True) if value is None else (name, value) for name, value in store.values.items())
    return rows.exclude(**same)


def _table(model: Model) -> QuerySet[Any]:
    return QuerySet(model=model, using=jobs_connection().alias)


def _union(ways: list[QuerySet[Any]]) -> QuerySet[Any]:
    first, *more = (rows.order_by().values("pk") for rows in ways)
    return first.union(*more, all=True)


def _generic(link: Link, parents: QuerySet[Any]) -> Q:
    """Return the condition of rows that name the type and the key of a parent; those of its proxies, too."""
    relation = link.field
    # Each label whole: the name of one type in the app of another may be a third.
    labels = {(each.app_label, each.model_name) for each in (parents.model._meta, relation.model._meta)}
    of_type = relation.content_type_field_name
    key = link.child._meta.get_field(relation.object_id_field_name)
    keys = parents.values("pk")
    if key.get_internal_type() != parents.model._meta.pk.get_internal_type():
        # Not of the key's own type: that would cut a text to its length, to what may be another row's key.
        as_text = TextField() if isinstance(key, CharField | TextField) else key
        keys = parents.annotate(found_key=Cast("pk", as_text)).values("found_key")
    is_of_type = Q()
    for app, name in sorted(labels):
        is_of_type |= Q(**{f"{of_type}__app_label": app, f"{of_type}__model": name})
    return is_of_type & Q(**{f"{relation.object_id_field_name}__in": keys})


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
