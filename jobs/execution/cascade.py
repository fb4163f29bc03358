"""Deleting rows with their cascades by Django's rules, and from the tables: no manager of the host's hides any."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db.models import CASCADE, DO_NOTHING, ForeignKey, Manager, Model, Q, QuerySet
from django.db.models.deletion import Collector, get_candidate_relations_to_delete

# One subquery inside the other: SQLite reads no statement with ten, and where each table refers to all above it, the
# ways down are too many to write.
MOST_NESTED: Final = 5


class TableCollector(Collector):
    """Django's collector. It finds rows of a cascade in their tables, and not through the host's base managers.

    Django searches with ``Meta.base_manager_name``. A row that this hides keeps its parent from being
    deleted; without a constraint in the database, and by a generic relation, it would be left behind.
    """

    def related_objects(self, related_model: type[Model], related_fields: Any, objs: Any) -> QuerySet[Any]:
        """Return the rows of ``related_model`` that refer to ``objs``, with the rows of its parent models."""
        refer = Q.create([(f"{field.name}__in", objs) for field in related_fields], connector=Q.OR)
        rows = rows_of(related_model, self.using).filter(refer)
        # With fields of a parent deferred, Django would read each row of the parent through its base manager.
        links = parent_links(related_model)
        return rows.select_related(*links) if links else rows

    def collect(self, objs: Any, *args: Any, **kwargs: Any) -> None:
        """Collect ``objs`` and what goes with them, also rows of generic relations that a base manager hides."""
        before = self._count()
        super().collect(objs, *args, **kwargs)
        if not kwargs.get("collect_related", True) or self._count() == before:
            return
        for field in objs[0]._meta.private_fields:
            if hasattr(field, "bulk_related_objects") and type(field.related_model._base_manager) is not Manager:
                refer = {
                    f"{field.content_type_field_name}__pk": field.get_content_type().pk,
                    f"{field.object_id_field_name}__in": [obj.pk for obj in objs],
                }
                hidden = rows_of(field.related_model, self.using).filter(**refer)
                self.collect(hidden, source=type(objs[0]), nullable=True, fail_on_restricted=False)

    def _count(self) -> int:
        return sum(map(len, self.data.values()))


def parent_links(model: Any) -> list[str]:
    """Return the fields that lead from a model to its parent models in other tables (multi-table inheritance)."""
    return [link.name for link in model._meta.concrete_model._meta.parents.values() if link]


def rows_of(model: type[Model], alias: str) -> QuerySet[Any]:
    """Return all rows of the model's table, as a plain queryset."""
    return QuerySet(model=model, using=alias)


def sets_with(rows: QuerySet[Any], above: tuple[Any, ...] = ()) -> list[QuerySet[Any]] | None:
    """Return the rows that go with ``rows``, those that refer to others first; None: Django must see each row.

    It must for signals, for rows of several tables or of generic relations, for cycles, for long chains of tables, and
    for whatever is to happen to rows that refer to others, other than that they go too.
    """
    model: Any = rows.model
    generic = any(hasattr(field, "bulk_related_objects") for field in model._meta.private_fields)
    heard = TableCollector(using=rows.db)._has_signal_listeners(model)  # type: ignore[attr-defined]
    if generic or heard or parent_links(model) or model in above or len(above) > MOST_NESTED:
        return None
    sets: list[QuerySet[Any]] = []
    relations: Iterable[Any] = get_candidate_relations_to_delete(model._meta)
    for relation in relations:
        field, on_delete = relation.field, relation.on_delete
        if on_delete is DO_NOTHING:
            continue
        if on_delete is not CASCADE or not isinstance(field, ForeignKey):
            return None
        refer = rows_of(relation.related_model, rows.db).filter(
            **{f"{field.name}__in": rows.values(field.target_field.attname)}
        )
        below = sets_with(refer, (*above, model))
        if below is None:
            return None
        sets += [*below, refer]
    return sets


def delete_with_cascade(objects: Sequence[Any] | QuerySet[Any], origin: QuerySet[Any], *, keep_parents: bool) -> int:
    """Delete rows of ``origin`` and their cascades; return the count of this model's rows."""
    collector = TableCollector(using=origin.db, origin=origin)
    collector.collect(objects, keep_parents=keep_parents)
    _, per_model = collector.delete()
    return per_model.get(origin.model._meta.label, 0)
