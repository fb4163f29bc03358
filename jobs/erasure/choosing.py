"""Chooses the links by which the rows of each model follow, and refuses those that cannot work."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import DO_NOTHING, PROTECT, ForeignKey, ForeignObject

from .columns import key_as
from .declaration import Declaration, Entry, What
from .graph import Kind, Link, Model, Node, concrete
from .plan import Fault, Hop, Problem, Root, follow, is_child_part


@dataclass(kw_only=True, eq=False)
class Draft:
    """What is known while a plan is made, and what is wrong with the map."""

    subject: Declaration
    entries: dict[Model, Entry] = field(default_factory=dict)
    # Of models that are in ``entries``, too: what is set in the rows that refer by the keys of ``via``.
    further: dict[Model, list[Entry]] = field(default_factory=dict)
    roots: dict[Model, Root] = field(default_factory=dict)
    hops: list[Hop] = field(default_factory=list)
    nodes: dict[Model, Node] = field(default_factory=dict)
    chosen: dict[Model, list[Link]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def entries_of(self, node: Node) -> list[Entry]:
        """Return what the map says of a model: in one entry, and in further ones of some keys."""
        return [each for each in (node.entry, *self.further.get(node.model, ())) if each is not None]

    @cached_property
    def keys_to_columns(self) -> dict[Any, list[Link]]:
        """By column that is no primary key, the keys that refer to it."""
        found: dict[Any, list[Link]] = {}
        for link in (each for node in self.nodes.values() for each in node.links if each.kind is Kind.KEY):
            if not link.field.target_field.primary_key:
                found.setdefault(link.field.target_field, []).append(link)
        return found

    def refuse(self, text: str, cure: str, *, fault: Fault = Fault.DECLARATION) -> None:
        """Report what is wrong; ``text`` goes on after the name of the map."""
        told = f"The erase map {self.subject.name!r} of {self.subject.module} {text}."
        self.problems.append(Problem(fault=fault, text=told, cure=cure))


def choose(draft: Draft, node: Node) -> list[Link]:
    """Return the links by which the rows follow."""
    if node.what is None:
        return []
    erased = [link for link in node.links if draft.nodes[link.parent].what is What.ERASED]
    if node.entry is None:
        return [link for link in node.links if link.kind is Kind.PARENT or link in erased]
    forcing = [link for link in erased if link.is_forcing]
    detached = detached_keys(draft, node)
    needed = [link for link in forcing if link not in detached]
    if node.what is What.ANONYMISED:
        needed = [link for link in forcing if link in detached and not node.entry.via and not further_of(draft, link)]
    # No row that is kept is a part of one that goes, which is made sure of when the map runs.
    apart = [link for link in node.links if link.kind is Kind.CHILD and draft.nodes[link.parent].is_part]
    for link in forcing:
        is_of_view = not node.model._meta.managed and link.on_delete is DO_NOTHING
        is_kept = node.what is What.KEPT and (is_of_view or link in apart)
        if node.what is not What.ERASED and link not in detached and not is_kept:
            _refuse_staying(draft, node, link)
    if node.what is What.KEPT:
        return [link for link in node.links if link not in apart]
    return _meant(draft, node, node.entry, needed)


def _meant(draft: Draft, node: Node, entry: Entry, needed: list[Link]) -> list[Link]:
    """Return the links that must be followed with those that ``via`` names, or the only one."""
    links, label = node.links, node.model._meta.label
    named = [link for link in links if link.name in entry.via or link.field.name in entry.via]
    if len({link.name for link in named}) < len(set(entry.via)):
        draft.refuse(f"has via={entry.via!r} of {label}, which leads to no erased row", "Correct it.")
    # A key to the same table adds rows to others, and finds none by itself.
    if named or entry.by is not None or not all(link.is_self for link in needed):
        return [link for link in links if link in needed or link in named]
    optional = [link for link in links if not link.is_self and not further_of(draft, link)]
    detached = detached_keys(draft, node)
    is_apart = entry.what is What.ANONYMISED and set(optional) <= set(detached)
    says_by_which = is_apart and not _values([entry], _names_of(detached))
    if len(optional) > 1 and not says_by_which:
        names = ", ".join(repr(link.name) for link in optional)
        problem = f"does not say by which of {names} rows of {label} are the person's"
        draft.refuse(problem, f"Say via='{optional[0].name}', or via=({names}).")
    return [link for link in links if link in optional or link in needed]


def further_of(draft: Draft, link: Link) -> list[Entry]:
    """Return the further entries of a model that are of the rows which refer by a link."""
    return [each for each in draft.further.get(link.child, ()) if {link.name, link.field.name} & {*each.via}]


def detached_keys(draft: Draft, node: Node) -> list[Link]:
    """Return the keys that the map sets to NULL: each where it refers to the person's rows, and not to another's."""
    nulled = {name for entry in draft.entries_of(node) for name, value in entry.values.items() if value is None}
    if not nulled:
        return []
    keys = [link for link in node.links if link.kind is Kind.KEY and link.field.null and not link.is_self]
    return [link for link in keys if {link.field.name, link.field.attname} & nulled]


def constants_of(draft: Draft, node: Node) -> tuple[dict[str, Any], dict[Link, dict[str, Any]]]:
    """Return what is set in all rows that are meant, and what is set only in those that refer by a link."""
    chosen, detached = draft.chosen[node.model], detached_keys(draft, node)
    # All rows that are meant refer by it.
    is_only = (
        chosen == detached and len(chosen) == 1 and len(draft.entries_of(node)) == 1 and node.model not in draft.roots
    )
    apart = set() if is_only else _names_of(detached)
    by_link = {}
    for link in node.links:
        values = _values(further_of(draft, link), apart)
        is_nulled = link.is_nulled and draft.nodes[link.parent].what is What.ERASED
        if not is_only if link in detached else is_nulled:
            values[link.name] = None
        if values and not (node.what is What.ERASED and link in chosen):
            by_link[link] = values
    return _values([node.entry] if node.entry else [], apart), by_link


def _names_of(keys: list[Link]) -> set[str]:
    return {name for link in keys for name in (link.field.name, link.field.attname)}


def _values(entries: list[Entry], without: set[str]) -> dict[str, Any]:
    return {name: value for each in entries for name, value in each.values.items() if name not in without}


def check_tables(draft: Draft, node: Node) -> None:
    """Refuse what would leave, or take, the part of a row that is in the table of a parent or child model."""
    model, label = node.model, node.model._meta.label
    is_part = is_child_part(draft.chosen[model], is_root=model in draft.roots)
    declared = {concrete(parent) for parent in model._meta.get_parent_list()} & draft.entries.keys()
    found_in = [*declared, *(link.parent for link in node.links if link.kind is Kind.CHILD)]
    wholes = {link.parent for link in node.links if link.kind is Kind.PARENT}
    if node.what is What.ERASED and found_in and not is_part:
        draft.refuse(
            f"erases rows of {label} with their part in {found_in[0]._meta.label}, which it also finds otherwise",
            f"Find the rows by {found_in[0].__name__} alone: by='…' there, and none in {model.__name__}.",
            fault=Fault.IMPOSSIBLE,
        )
    elif len(wholes) > 1 and any(draft.nodes[whole].what is not What.ERASED for whole in wholes):
        names = " and of ".join(sorted(whole._meta.label for whole in wholes))
        draft.refuse(
            f"finds rows of {names}, which may be parts of one row of {label}, and does not erase all of them",
            f"Find them by it: by='…' in {model.__name__}, and in none of these.",
            fault=Fault.IMPOSSIBLE,
        )
    elif is_part and sum(key is not None and key.model is model for key in model._meta.parents.values()) > 1:
        draft.refuse(
            f"leads to {label}, whose rows have parts in several parent models",
            "Erase them by an action of your own.",
            fault=Fault.IMPOSSIBLE,
        )
    for name in [name for entry in draft.entries_of(node) if declared for name in entry.values]:
        if concrete(follow(model, name).model) in declared:
            draft.refuse(f"sets {label}.{name}, a column of a model that it names", "Set it there.")


def check_constants(draft: Draft, node: Node) -> None:
    """Refuse constants by which others would find the rows, or rows that stay would lose what they refer to."""
    label = node.model._meta.label
    values = [pair for entry in draft.entries_of(node) for pair in entry.values.items()]
    ends = [follow(model, root.by) for model, root in draft.roots.items()]
    columns = {name: each for each in node.model._meta.concrete_fields for name in (each.name, each.attname)}
    for column, value in ((columns[name], value) for name, value in values if name in columns):
        if column in ends and value not in (None, ""):
            problem = f"sets {label}.{column.name}, where the reference stands, to what may be a reference, too"
            draft.refuse(problem, "Set it to None or to an empty text.")
        for link in draft.keys_to_columns.get(column, ()):
            if draft.nodes[link.child].what is not What.ERASED or link not in draft.chosen[link.child]:
                problem = f"sets {label}.{column.name}, which {link.child._meta.label}.{link.name} refers to"
                draft.refuse(problem, "Erase these rows, or refer to the primary key.", fault=Fault.IMPOSSIBLE)


def check_keys(draft: Draft, node: Node) -> None:
    """Refuse keys by which rows cannot be found, or not in an order in which they can be erased."""
    label = node.model._meta.label
    for relation in node.model._meta.get_fields(include_parents=False, include_hidden=True) if node.leads_on else ():
        key = None if relation.concrete else getattr(relation, "field", None)
        is_generic = hasattr(key, "bulk_related_objects")
        if isinstance(key, ForeignObject) and not isinstance(key, ForeignKey) and not is_generic:
            problem = f"leads to {key.model._meta.label}, whose {key.name} is a key of several columns"
            draft.refuse(problem, "Erase these rows by an action of your own.", fault=Fault.IMPOSSIBLE)
    if node.what is not None and len(getattr(node.model._meta, "pk_fields", ())) > 1:
        problem = f"leads to {label}, whose primary key is of several columns"
        draft.refuse(
            problem, "Give it one of a single column, or erase by an action of your own.", fault=Fault.IMPOSSIBLE
        )
    for entry in draft.further.get(node.model, ()):
        keys = [link for link in node.links if link.kind is Kind.KEY and not link.is_self]
        named = [link for link in keys if entry in further_of(draft, link)]
        if len(named) < len(entry.via) or (set(named) & set(draft.chosen[node.model]) and node.what is not What.KEPT):
            problem = f"has a further entry of {label} with via={entry.via!r}, by which no row stays of the person's"
            draft.refuse(problem, "Name keys that refer to rows of the person, and that the first entry does not name.")
    for link in draft.chosen[node.model]:
        problem = cure = ""
        if link.kind is Kind.GENERIC and key_as(link.generic_key, link.parent._meta.pk) is None:
            problem = f"cannot compare {label}.{link.name} with the keys of {link.parent._meta.label}"
            cure = "Give it the type of these keys, or that of a text."
        elif link.is_self and node.what is What.ANONYMISED:
            problem, cure = f"has via={link.name!r} of {label}, a key to its own table", "Find all rows by by='…'."
        elif link.is_self and link.on_delete is PROTECT:
            problem = f"erases rows of {label}, whose {link.name} refers to their own table by PROTECT"
            cure = "Set on_delete=CASCADE, RESTRICT or SET_NULL."
        if problem:
            draft.refuse(problem, cure, fault=Fault.IMPOSSIBLE)


def _refuse_staying(draft: Draft, node: Node, link: Link) -> None:
    label, name, rule = node.model._meta.label, node.model.__name__, link.rule
    if link.kind is not Kind.KEY:
        rule, cure = "they go with them", f"Erase {name}, too."
    elif not link.field.null:
        cure = f"Erase {name}, too, or make the key nullable with on_delete=SET_NULL."
    else:
        cure = f"Set on_delete=SET_NULL, or detach them by anonymise({name}, {link.name}=None)."
    draft.refuse(
        f"lets rows of {label} stay, whose {link.name} refers to erased rows of {link.parent._meta.label} ({rule})",
        cure,
        fault=Fault.IMPOSSIBLE,
    )
