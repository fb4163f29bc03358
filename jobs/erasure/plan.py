"""The plan of a map: its stores in order, the links by which rows follow, and what is wrong with it."""

import hashlib
import json
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist
from django.db.models import FileField

from ..models import Job
from .declaration import Declaration, HostCall, What
from .graph import Kind, Link, Model, Node, concrete

DIGEST_CHARACTERS: Final = 32


class Fault(Enum):
    """What is wrong with a map; each is reported by a check of its own."""

    # It does not fit the models, or contradicts itself.
    DECLARATION = auto()
    # It does not say what happens to a model that it reaches.
    LEFT_OUT = auto()
    # Rows that stay would go, or keep others from going.
    IMPOSSIBLE = auto()
    # Rows of several models lead to each other.
    CYCLE = auto()
    # It would find rows of other projects.
    NO_PROJECT = auto()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a map cannot be run, and the cure."""

    fault: Fault
    text: str
    cure: str


@dataclass(frozen=True, kw_only=True)
class Root:
    """Where the reference of a person stands; ``project`` is the path to the rows' project, empty for all projects."""

    by: str
    project: str


@dataclass(frozen=True, kw_only=True)
class Store:
    """One line of the receipt: what happens to some rows, or a function of the host's."""

    name: str
    what: What
    because: str = ""
    model: Model = None
    # For ``SET_NULL``, the link whose key is set.
    link: Link | None = None
    values: dict[str, Any] = field(default_factory=dict)
    call: HostCall | None = None
    # The columns of files in these rows, a store each; and of such a store, the column.
    files: "tuple[Store, ...]" = ()
    file: Any = None


@dataclass(frozen=True, kw_only=True)
class Hop:
    """A table that a root's ``by`` or ``project`` leads through, and the path from the root's rows to its rows."""

    root: Model
    path: str
    model: Model


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What a map does, in order. With ``problems`` it cannot be run."""

    subject: Declaration
    nodes: dict[Model, Node]
    # By model: the links by which its rows follow, and where the reference stands.
    chosen: dict[Model, list[Link]]
    roots: dict[Model, Root]
    hops: tuple[Hop, ...]
    stores: tuple[Store, ...]
    # What the map names and no root leads to.
    unreached: frozenset[Model]
    problems: tuple[Problem, ...]
    digest: str

    @property
    def root_stores(self) -> list[str]:
        """The names of the stores that the person is found in."""
        return [store.name for store in self.stores if store.model in self.roots and store.link is None]

    def stands_alone(self, store: Store) -> bool:
        """Whether a store's rows are found in their own table, and no other row is found or changed by them."""
        model = store.model
        is_found_there = not self.chosen[model] and not any(model in (hop.root, hop.model) for hop in self.hops)
        more = (*self.links_from(model), *self.set_with(model), *self.not_with(model))
        return is_found_there and store.link is None and not store.files and not more

    def own_links(self, model: Model) -> list[Link]:
        """Return the keys of a model to its own table by which rows follow."""
        return [link for link in self.chosen[model] if link.is_self]

    def links_from(self, model: Model) -> list[Link]:
        """Return the links by which rows of further tables follow from those of a model."""
        return [link for links in self.chosen.values() for link in links if link.parent is model and not link.is_self]

    def set_with(self, model: Model) -> list[Link]:
        """Return the links by which other rows are changed with rows of a model: by the map, or by Django."""
        links = [link for node in self.nodes.values() for link in node.links if link.parent is model]
        if self.nodes[model].what is What.ERASED:
            is_kept = {link for link in links if self.nodes[link.child].what is What.KEPT}
            by_django = [link for link in links if link in is_kept or link not in self.chosen[link.child]]
        else:
            by_django = []
        by_map = {store.link for store in self.stores if store.link is not None}
        return [link for link in links if link in by_map or (not link.is_forcing and link in by_django)]

    def is_done_by_django(self, store: Store) -> bool:
        """Whether a store only sets keys that Django sets, too, when it deletes the rows that they refer to."""
        link = store.link
        is_erased = link is not None and self.nodes[link.parent].what is What.ERASED
        return is_erased and link is not None and store.what is What.SET_NULL and link.is_nulled

    def goes_with(self, link: Link) -> bool:
        """Whether what follows by a link need not be done before the row that it refers to is deleted.

        It goes with it by a plain cascade, as do all below, and none of these knows of projects.
        """
        return self._takes(link) and not link.can_stay and link.child not in self._leaving

    def _takes(self, link: Link) -> bool:
        return self.nodes[link.child].what is What.ERASED and link in self.chosen[link.child]

    @cached_property
    def _leaving(self) -> set[Model]:
        """The models whose rows, deleted by Django, can leave files, leave or take rows, or be of another project."""
        links = [link for node in self.nodes.values() for link in node.links]
        found = {model for model in self.nodes if keys_to_project(model) or file_columns(model) or self.not_with(model)}
        found |= {link.parent for link in links if link.can_stay or not self._takes(link)}
        while more := {link.parent for link in links if link.child in found} - found:
            found |= more
        return found

    def is_child_part(self, model: Model) -> bool:
        """Whether its rows are found as parts of rows of a parent model, and deleted without these."""
        return is_child_part(self.chosen[model], is_root=model in self.roots)

    def not_with(self, model: Model) -> list[tuple[str, Model, str]]:
        """Return the child models of which no row may be a part of a row of ``model``, as it would go with it.

        They are kept, or find their rows by themselves. With each, by which columns the row and its part name the
        table that they share: of ``model``, and of the other.
        """
        if self.nodes[model].what is not What.ERASED or self.is_child_part(model):
            return []
        own = model._meta.get_parent_list()
        shared = [part for part in own if part in self.nodes and self.nodes[part].is_part]
        return [
            ("__".join(path_to_parent(model, part)), child, key.name)
            for part in shared
            for child, node in self.nodes.items()
            if (key := child._meta.parents.get(part)) and key.model is child and child not in (model, *own)
            if node.what is not What.ERASED or not any(link.parent is part for link in self.chosen[child])
        ]


def is_child_part(chosen: list[Link], *, is_root: bool) -> bool:
    """Whether a model whose rows follow by these links is the child part of rows that are found in a parent model."""
    return bool(chosen) and not is_root and all(link.kind is Kind.CHILD or link.is_self for link in chosen)


def project_model() -> Model:
    """Return the host's project model, whose rows own the jobs."""
    return concrete(Job._meta.get_field("project").related_model)


def keys_to_project(model: Model) -> list[str]:
    """Return the keys of a model that lead to a project."""
    return [
        each.name
        for each in model._meta.fields
        if each.related_model and concrete(each.related_model) is project_model()
    ]


def file_columns(model: Model) -> list[Any]:
    """Return the columns of a model that name files, inherited ones too."""
    return [each for each in model._meta.concrete_fields if isinstance(each, FileField)]


def follow(model: Model, path: str) -> Any:
    """Return the field at the end of a path such as ``session__project``.

    Raises:
        FieldDoesNotExist: there is none.
    """
    first, _, rest = path.partition("__")
    found = model._meta.pk if first == "pk" else model._meta.get_field(first)
    if not rest:
        return found
    if not found.related_model:
        raise FieldDoesNotExist(f"{model._meta.label}.{first} leads to no model")
    if found.one_to_many or found.many_to_many:
        # A condition on one of the many and one on another would both hold, and find somebody else.
        raise FieldDoesNotExist(f"{model._meta.label}.{first} leads to several rows")
    return follow(found.related_model, rest)


def hops_of(model: Model, path: str, *, before: tuple[str, ...] = (), root: Model = None) -> list[Hop]:
    """Return the tables that a path leads through, without the first; those of inherited columns, too."""
    first, _, rest = path.partition("__")
    found, hops = follow(model, first), []
    if concrete(found.model) is not model:
        path_up = "__".join((*before, *path_to_parent(model, concrete(found.model))))
        hops.append(Hop(root=root or model, path=path_up, model=concrete(found.model)))
    if rest:
        end = concrete(found.related_model)
        hops.append(Hop(root=root or model, path="__".join((*before, first)), model=end))
        hops += hops_of(end, rest, before=(*before, first), root=root or model)
    return hops


def path_to_parent(model: Model, parent: Model) -> tuple[str, ...]:
    """Return the keys by which a row leads to its part in the table of a parent model."""
    return tuple(each.join_field.name for each in model._meta.get_path_to_parent(parent))


def digest_of(stores: tuple[Store, ...], chosen: dict[Model, list[Link]], roots: dict[Model, Root]) -> str:
    """Return 32 hex digits, which differ if the stores, their order, their rows or their values do."""
    told = [
        {
            "name": store.name,
            "what": store.what,
            "because": store.because,
            "model": store.model and store.model._meta.label,
            "key": store.link and [store.link.name, store.link.parent._meta.label],
            "values": {name: repr(value) for name, value in sorted(store.values.items())},
            "links": [[link.parent._meta.label, link.name] for link in chosen.get(store.model, ())],
            "root": [roots[store.model].by, roots[store.model].project] if store.model in roots else None,
        }
        for store in stores
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:DIGEST_CHARACTERS]
