"""The graph of a map: which models a person's rows lead to, by which links, read from the models alone."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from django.apps import apps
from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT, SET_NULL, ForeignKey, Q

from .declaration import Entry, What

# Its tables have rules of their own: ``manage.py prunejobs``.
OUR_APP: Final = "jobs"

Model = Any
"""A concrete model class: one table. Its proxies count as it."""


class Kind(Enum):
    """How rows of one model lead to rows of another."""

    KEY = auto()
    GENERIC = auto()
    # The table of a child model, whose rows are parts of the parent's.
    CHILD = auto()
    # The table of a parent model: the other part of the same row.
    PARENT = auto()


@dataclass(frozen=True, kw_only=True)
class Link:
    """A way from rows of ``parent`` to those rows of ``child`` that refer to them."""

    parent: Model
    child: Model
    kind: Kind
    # Of the child; for a generic link the GenericRelation of the parent, for ``PARENT`` the key in the parent's child.
    field: Any
    # For a generic link, the parent and its proxies: a content type of any means the same row.
    family: tuple[Model, ...] = ()

    @property
    def name(self) -> str:
        """How people name it: the child's key."""
        name: str = self.field.object_id_field_name if self.kind is Kind.GENERIC else self.field.name
        return name

    @property
    def generic_key(self) -> Any:
        """The column that holds keys of the parent, of a generic link."""
        return self.child._meta.get_field(self.field.object_id_field_name)

    @property
    def is_of_family(self) -> Q:
        """The condition that a generic key names the type of a parent, or of a proxy of it."""
        is_of_type = Q()
        # Each label whole: the name of one type in the app of another may be a third.
        for app, name in sorted({(each._meta.app_label, each._meta.model_name) for each in self.family}):
            of_type = self.field.content_type_field_name
            is_of_type |= Q(**{f"{of_type}__app_label": app, f"{of_type}__model": name})
        return is_of_type

    @property
    def on_delete(self) -> Any:
        return CASCADE if self.kind is Kind.GENERIC else self.field.remote_field.on_delete

    @property
    def rule(self) -> str:
        """What Django does to the rows, as models name it."""
        if self.kind is not Kind.KEY:
            return {Kind.GENERIC: "generic", Kind.CHILD: "inherits", Kind.PARENT: "is inherited"}[self.kind]
        return getattr(self.on_delete, "__name__", "").upper().replace("SET_ON_DELETE", "SET(…)")

    @property
    def is_nulled(self) -> bool:
        """Whether the rows stay when the parent goes, with NULL in the key."""
        return self.kind is Kind.KEY and self.on_delete is SET_NULL

    @property
    def is_forcing(self) -> bool:
        """Whether the rows must go before the parent's can; else Django sets the key to something."""
        return self.kind is not Kind.KEY or self.on_delete in (CASCADE, PROTECT, RESTRICT, DO_NOTHING)

    @property
    def can_stay(self) -> bool:
        """Whether Django may leave the rows where they are when it deletes the row that they refer to."""
        return not self.is_forcing or self.kind is Kind.GENERIC or self.on_delete is DO_NOTHING

    @property
    def is_self(self) -> bool:
        return self.parent is self.child


@dataclass(kw_only=True)
class Node:
    """One table that rows of the person are in, and what the map says of it; ``entry`` is None where it is silent."""

    model: Model
    entry: Entry | None
    what: What | None
    # How it was reached first: ``shop.Session.user → shop.SessionEvent.session``.
    path: str
    links: list[Link] = field(default_factory=list)

    @property
    def leads_on(self) -> bool:
        """Whether rows that refer to these are the person's, too; what is kept is kept with all that refers to it."""
        return self.what is not What.KEPT and not self.is_ours

    @property
    def is_ours(self) -> bool:
        """Whether it is a table of ``jobs`` that only loses what refers to the person: who created an API key."""
        is_nulled = all(link.is_nulled for link in self.links)
        return self.entry is None and self.model._meta.app_label == OUR_APP and is_nulled

    @property
    def is_part(self) -> bool:
        """Whether its rows are only parts of rows of a child model, which take them with them."""
        return self.entry is None and bool(self.links) and all(link.kind is Kind.PARENT for link in self.links)

    @property
    def is_implied(self) -> bool:
        """Whether nobody need declare it: a table of pairs that Django made, a part of other rows, or one of ours."""
        return self.entry is None and (bool(self.model._meta.auto_created) or self.is_part or self.is_ours)


def concrete(model: Any) -> Model:
    """Return the model whose table ``model`` uses; ``model`` may be a label.

    Raises:
        LookupError, ValueError: there is no such model.
    """
    found: Any = apps.get_model(model) if isinstance(model, str) else model
    return found._meta.concrete_model


def walk(entries: dict[Model, Entry]) -> dict[Model, Node]:
    """Return a node for each table that the map's roots lead to, in the order of their distance; roots first."""
    return _Walk(entries).nodes


class _Walk:
    """The search through the models, from the roots on."""

    def __init__(self, entries: dict[Model, Entry]) -> None:
        self.nodes: dict[Model, Node] = {}
        self._entries = entries
        self._waiting: deque[Node] = deque()
        self._proxies = _proxies(next(iter(entries))._meta.apps if entries else apps)
        for model, entry in entries.items():
            if entry.by is not None:
                self._reach(model, f"{model._meta.label}.{entry.by}")
        while self._waiting:
            node = self._waiting.popleft()
            for link in self._links_from(node) if node.leads_on else ():
                self._follow(node, link)
        for node in list(self.nodes.values()):
            self._part_from_siblings(node)

    def _reach(self, model: Model, path: str) -> Node:
        if model not in self.nodes:
            entry = self._entries.get(model)
            self.nodes[model] = Node(model=model, entry=entry, what=entry.what if entry else None, path=path)
            self._waiting.append(self.nodes[model])
        return self.nodes[model]

    def _links_from(self, node: Node) -> Iterator[Link]:
        yield from _keys_to(node)
        yield from _generic_links(node.model, (node.model, *self._proxies.get(node.model, ())))
        yield from _to_parents(node, self._entries)

    def _follow(self, node: Node, link: Link) -> None:
        found = self._reach(link.child, f"{node.path} → {link.child._meta.label}.{link.name}")
        found.links.append(link)
        if found.is_implied and not found.is_ours and node.what is not None:
            # Pairs of rows that stay, stay.
            found.what = node.what if link.kind is Kind.PARENT or node.what is What.ERASED else found.what

    def _part_from_siblings(self, node: Node) -> None:
        """Have rows of a child model that are found by a key of its own lead to their part, and not follow from it.

        So each row is found by one child model; see :meth:`Plan.not_with`.
        """
        for link in [link for link in node.links if link.kind is Kind.CHILD and self.nodes[link.parent].is_part]:
            if node.entry and node.leads_on and any(map(self._is_own_way, node.links)):
                node.links.remove(link)
                part = self.nodes[link.parent]
                part.links.append(Link(parent=node.model, child=part.model, kind=Kind.PARENT, field=link.field))

    def _is_own_way(self, link: Link) -> bool:
        is_named = {link.name, link.field.name} & {*self._entries[link.child].via}
        is_forcing = link.is_forcing and self.nodes[link.parent].what is What.ERASED
        return link.kind in (Kind.KEY, Kind.GENERIC) and not link.is_self and bool(is_named or is_forcing)


def _keys_to(node: Node) -> Iterator[Link]:
    """Yield the links by keys to one table; the child table that it is a part of leads to it, and not back."""
    wholes = {link.parent for link in node.links if node.is_part}
    for relation in node.model._meta.get_fields(include_parents=False, include_hidden=True):
        key = relation.field if relation.auto_created and not relation.concrete else None
        if not isinstance(key, ForeignKey):
            continue
        kind = Kind.CHILD if key.remote_field.parent_link else Kind.KEY
        child = concrete(key.model)
        if not (kind is Kind.CHILD and child in wholes):
            yield Link(parent=node.model, child=child, kind=kind, field=key)


def _generic_links(parent: Model, family: tuple[Model, ...]) -> Iterator[Link]:
    """Yield the links of generic relations; a proxy has copies of its model's, which count once."""
    seen = set()
    for generic in (each for model in family for each in model._meta.private_fields):
        if hasattr(generic, "bulk_related_objects"):
            child, name = concrete(generic.related_model), generic.object_id_field_name
            if (child, name) not in seen:
                seen.add((child, name))
                yield Link(parent=parent, child=child, kind=Kind.GENERIC, field=generic, family=family)


def _to_parents(node: Node, entries: dict[Model, Entry]) -> Iterator[Link]:
    """Yield the links to the other tables of the same rows, except those that the map declares or that led here."""
    known = {*entries, *(link.parent for link in node.links if link.kind is Kind.CHILD)}
    for parent, key in node.model._meta.parents.items():
        # Those of its parents are theirs.
        if key is not None and concrete(key.model) is node.model and concrete(parent) not in known:
            yield Link(parent=node.model, child=concrete(parent), kind=Kind.PARENT, field=key)


def _proxies(registry: Any) -> dict[Model, list[Model]]:
    """Return the proxies of each model."""
    found: dict[Model, list[Model]] = {}
    for model in registry.get_models():
        if model._meta.proxy:
            found.setdefault(model._meta.concrete_model, []).append(model)
    return found
