"""Makes the plan of a map from what the host declares and what its models say."""

from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT

from ..actions import all_actions
from ..db.connection import jobs_connection
from ..exceptions import ActionMisused
from .declaration import Entry, EraseHandler, HostCall, Subject, What
from .graph import Kind, Link, Model, Node, concrete, walk
from .plan import Fault, Plan, Problem, Root, Store, digest_of, follow, keys_to_project, models_on, project_model

RULES: Final = {PROTECT: "PROTECT", RESTRICT: "RESTRICT", DO_NOTHING: "DO_NOTHING", CASCADE: "CASCADE"}


def mapped_actions() -> dict[str, Subject]:
    """Return the maps of all actions that have one, by the names of these."""
    handlers = {each.name: each.handler for each in all_actions()}
    return {name: handler.subject for name, handler in handlers.items() if isinstance(handler, EraseHandler)}


@cache
def plan_of(subject: Subject) -> Plan:
    """Return the plan of a map, which is made once in a process."""
    return _Planner(subject).plan()


def sound_plan_of(subject: Subject) -> Plan:
    """Return the plan of a map that can be run.

    Raises:
        ActionMisused: ``manage.py check`` reports errors of it; with the first one.
    """
    plan = plan_of(subject)
    if plan.problems:
        raise ActionMisused(f"the erase map {subject.name!r} cannot be run: {plan.problems[0].text}")
    return plan


class _Planner:
    """Makes one plan and collects what is wrong with the map."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.problems: list[Problem] = []
        self.entries: dict[Model, Entry] = {}
        self.roots: dict[Model, Root] = {}
        self.chosen: dict[Model, list[Link]] = {}

    def plan(self) -> Plan:
        for entry in self.subject.entries:
            if isinstance(entry, Entry):
                self._add_entry(entry)
        nodes = walk(self.subject, self.entries)
        self._check_reached(nodes)
        for node in nodes.values():
            self.chosen[node.model] = [] if node.what is None else self._choose(node, nodes)
        stores = tuple(self._placed(nodes, self._order(nodes)))
        self._check_names(stores)
        return Plan(
            subject=self.subject,
            nodes=nodes,
            chosen=self.chosen,
            roots=self.roots,
            stores=stores,
            unreached=frozenset(self.entries.keys() - nodes.keys()),
            problems=tuple(self.problems),
            digest=digest_of(stores, self.chosen, self.roots),
        )

    # ------------------------------------------------------------ what is declared

    def _add_entry(self, entry: Entry) -> None:
        try:
            model = concrete(entry.model)
        except (LookupError, ValueError):
            self._refuse(f"names {entry.model!r}, which is no installed model", "Correct the name.")
            return
        label = model._meta.label
        if model._meta.swapped or model._meta.abstract:
            self._refuse(f"names {label}, which has no table", "Name the model in its place.")
        elif model in self.entries:
            self._refuse(f"names {label} twice", "Leave one; a proxy is the model that it stands for.")
        else:
            self.entries[model] = entry
            columns = {name for each in model._meta.concrete_fields for name in (each.name, each.attname)}
            for name in entry.values.keys() - columns:
                self._refuse(f"sets {label}.{name}, which is no column", "Correct the name.")
            if entry.by is not None:
                self._add_root(model, entry, entry.by)

    def _add_root(self, model: Model, entry: Entry, by: str) -> None:
        label, keys = model._meta.label, keys_to_project(model)
        project = entry.project or ("" if entry.across_projects or len(keys) != 1 else keys[0])
        try:
            follow(model, by)
            end = follow(model, project) if project else None
        except FieldDoesNotExist as error:
            self._refuse(f"cannot find rows of {label}: {error}", "Correct by='…' or project='…'.")
            return
        self.roots[model] = Root(by=by, project=project)
        if end is not None and (not end.related_model or concrete(end.related_model) is not project_model()):
            self._refuse(f"finds the project of {label} by {project!r}, which leads to none", "Correct project='…'.")
        if not project and not entry.across_projects:
            self._refuse(
                f"finds {label} in all projects, as it has {len(keys) or 'no'} keys to {project_model()._meta.label}",
                f"Say project='path__to__project' in {_call_of(entry)}({model.__name__}, …), or across_projects=True.",
                fault=Fault.NO_PROJECT,
            )

    # ------------------------------------------------------------ what is reached

    def _check_reached(self, nodes: dict[Model, Node]) -> None:
        if all(entry.by is None for entry in self.entries.values()):
            self._refuse("has no root", "Say by='…' where the reference stands.")
        for model, entry in self.entries.items():
            if model not in nodes and entry.what is not What.KEPT:
                problem = f"has rows of {model._meta.label}, which no root leads to"
                self._refuse(problem, "Say by='…' where the reference stands, or take it out.")
        home = jobs_connection().alias
        for node in nodes.values():
            alias = router.db_for_write(node.model)
            if alias != home:
                problem = f"leads to {node.model._meta.label} in the database {alias!r}; jobs are in {home!r}"
                self._refuse(problem, "Keep it out of the map, and erase it in a step(…).", fault=Fault.IMPOSSIBLE)
            self._check_parents(node, nodes)
            if node.entry is None and not node.is_implied and not follows_by_itself(node):
                self._refuse(
                    f"does not say what happens to {node.model._meta.label}, reached by {node.path}",
                    f"Add to it: erase({node.model.__name__}), – or anonymise({node.model.__name__}, …=…), "
                    f'or keep({node.model.__name__}, because="…").',
                    fault=Fault.LEFT_OUT,
                )

    def _check_parents(self, node: Node, nodes: dict[Model, Node]) -> None:
        """Refuse to leave the part of an erased row that is in a parent's table; Django deletes both."""
        for parent in node.model._meta.parents if node.what is What.ERASED else ():
            other = self.entries.get(concrete(parent))
            is_found_there = all(link.kind is Kind.CHILD for link in node.links) and node.model not in self.roots
            if other is not None and not (other.what is What.ERASED and is_found_there):
                self._refuse(
                    f"erases rows of {node.model._meta.label} with their part in {parent._meta.label}, which it names",
                    f"Take {parent.__name__} out, or find the rows by it alone.",
                    fault=Fault.IMPOSSIBLE,
                )

    def _choose(self, node: Node, nodes: dict[Model, Node]) -> list[Link]:
        """Return the links by which the rows follow."""
        entry, links = node.entry, node.links
        if entry is None:
            return [link for link in links if link.kind is Kind.PARENT or nodes[link.parent].what is What.ERASED]
        forcing = [link for link in links if link.is_forcing and nodes[link.parent].what is What.ERASED]
        if entry.what is What.KEPT:
            for link in forcing:
                if node.model._meta.managed or link.on_delete is not DO_NOTHING:
                    self._refuse_staying(node, link)
            return links
        named = [link for link in links if link.name in entry.via or link.field.name in entry.via]
        if len({link.name for link in named}) < len(set(entry.via)):
            self._refuse(
                f"has via={entry.via!r} of {node.model._meta.label}, which leads to no erased row", "Correct it."
            )
        if entry.what is What.ANONYMISED:
            needed = [link for link in forcing if self._detaches(entry, link)]
            for link in forcing:
                if link not in needed:
                    self._refuse_staying(node, link)
        else:
            needed = forcing
        # A key to the same table adds rows to others, and finds none by itself.
        if named or entry.by is not None or not all(link.is_self for link in needed):
            return [link for link in links if link in needed or link in named]
        optional = [link for link in links if not link.is_self]
        if len(optional) > 1:
            names = ", ".join(repr(link.name) for link in optional)
            problem = f"does not say by which of {names} rows of {node.model._meta.label} are the person's"
            self._refuse(problem, f"Say via='{optional[0].name}', or via=({names}).")
        return [link for link in links if link in optional or link in needed]

    def _detaches(self, entry: Entry, link: Link) -> bool:
        """Whether the map sets the key to NULL, before the row that it refers to goes."""
        keys = (link.field.name, link.field.attname) if link.kind is Kind.KEY else ()
        return any(key in entry.values and entry.values[key] is None for key in keys) and bool(link.field.null)

    def _refuse_staying(self, node: Node, link: Link) -> None:
        label, rule = node.model._meta.label, RULES[link.on_delete]
        if link.kind is not Kind.KEY or not link.field.null:
            cure = f"Erase {node.model.__name__}, too, or make the key nullable with on_delete=SET_NULL."
        else:
            cure = f"Set on_delete=SET_NULL, or detach them by anonymise({node.model.__name__}, {link.name}=None)."
        if link.kind is not Kind.KEY:
            rule, cure = "they go with them", f"Erase {node.model.__name__}, too."
        self._refuse(
            f"lets rows of {label} stay, whose {link.name} refers to erased rows of {link.parent._meta.label} ({rule})",
            cure,
            fault=Fault.IMPOSSIBLE,
        )

    # ------------------------------------------------------------ in which order

    def _order(self, nodes: dict[Model, Node]) -> list[Node]:
        """Return the nodes, those whose rows are found through others before these."""
        sorter: TopologicalSorter[Model] = TopologicalSorter()
        for model in nodes:
            sorter.add(model)
            for link in self.chosen[model]:
                # A part of a row goes with it, so it comes after what refers to either.
                if not link.is_self and nodes[link.parent].leads_on:
                    sorter.add(link.parent, model)
            root = self.roots.get(model)
            for path in (root.by, root.project) if root else ():
                # What is read on the way is changed after the rows that are found by it.
                for between in models_on(model, path):
                    if between in nodes and between is not model:
                        sorter.add(between, model)
        try:
            return [nodes[model] for model in sorter.static_order()]
        except CycleError as error:
            cycle = " → ".join(model._meta.label for model in reversed(error.args[1]))
            cure = "Make one of the keys nullable with on_delete=SET_NULL, or erase these by an action of your own."
            self._refuse(f"has rows that lead to each other: {cycle}", cure, fault=Fault.CYCLE)
            return list(nodes.values())

    def _placed(self, nodes: dict[Model, Node], order: list[Node]) -> Iterator[Store]:
        """Yield the stores of the ordered nodes, with the host's functions between them."""
        first, before, last = self._places({node.model for node in order})
        yield from first
        for node in order:
            yield from before.get(node.model, ())
            yield from self._stores_of(node, nodes)
        yield from last

    def _stores_of(self, node: Node, nodes: dict[Model, Node]) -> Iterator[Store]:
        if node.what is What.ERASED:
            for other in nodes.values():
                for link in other.links:
                    if link.parent is node.model and self._is_set_null(other, link):
                        name = f"{_name_of(other)}.{link.name}"
                        values = {link.name: None}
                        yield Store(name=name, what=What.SET_NULL, model=other.model, link=link, values=values)
        if node.what is not None and not node.is_part:
            entry = node.entry
            facts: dict[str, Any] = {"because": entry.because, "values": dict(entry.values)} if entry else {}
            yield Store(name=_name_of(node), what=node.what, model=node.model, **facts)

    def _is_set_null(self, node: Node, link: Link) -> bool:
        """Whether rows stay, at least for now, whose key is to be NULL."""
        goes = node.what is What.ERASED and link in self.chosen[node.model]
        return link.is_nulled and not goes and not (node.entry and self._detaches(node.entry, link))

    def _places(self, stored: set[Model]) -> tuple[list[Store], dict[Model, list[Store]], list[Store]]:
        first: list[Store] = []
        before: dict[Model, list[Store]] = {}
        waiting: list[Store] = []
        is_first = True
        for entry in self.subject.entries:
            if isinstance(entry, HostCall):
                called = Store(name=entry.store, what=What.CALLED, call=entry)
                (first if is_first else waiting).append(called)
                continue
            is_first = False
            model = next((model for model, own in self.entries.items() if own is entry), None)
            if model in stored:
                before.setdefault(model, []).extend(waiting)
                waiting = []
        return first, before, waiting

    def _check_names(self, stores: tuple[Store, ...]) -> None:
        names = [store.name for store in stores]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._refuse(f"has two stores called {name!r}", "Say store='…' in one of them.")

    def _refuse(self, text: str, cure: str, *, fault: Fault = Fault.DECLARATION) -> None:
        told = f"The erase map {self.subject.name!r} of {self.subject.module} {text}."
        self.problems.append(Problem(fault=fault, text=told, cure=cure))


def follows_by_itself(node: Node) -> bool:
    """Whether the table is not Django's to change, as a view: not managed, and nothing happens to it on a delete."""
    return not node.model._meta.managed and all(link.on_delete is DO_NOTHING for link in node.links)


def _name_of(node: Node) -> str:
    return (node.entry and node.entry.store) or node.model._meta.label


def _call_of(entry: Entry) -> str:
    return {What.ERASED: "erase", What.ANONYMISED: "anonymise"}.get(entry.what, "keep")
