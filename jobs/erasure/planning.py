"""Makes the plan of a map from what the host declares and what its models say."""

from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import DO_NOTHING

from ..db.connection import jobs_connection
from ..exceptions import ActionMisused
from .choosing import Draft, check_constants, check_keys, check_tables, choose, constants_of, further_of
from .columns import KINDS, kind_of, why_not_set
from .declaration import Declaration, Entry, HostCall, What
from .graph import Link, Model, Node, concrete, walk
from .hints import hints_of, keys_of
from .plan import (
    Fault,
    Plan,
    Root,
    Store,
    digest_of,
    file_columns,
    follow,
    hops_of,
    is_child_part,
    keys_to_project,
    project_model,
)


@cache
def plan_of(subject: Declaration) -> Plan:
    """Return the plan of a map, which is made once in a process."""
    return _Planner(subject=subject).plan()


def sound_plan_of(subject: Declaration) -> Plan:
    """Return the plan of a map that can be run.

    Raises:
        ActionMisused: ``manage.py check`` reports errors of it; with the first one.
    """
    plan = plan_of(subject)
    if plan.problems:
        raise ActionMisused(f"the erase map {subject.name!r} cannot be run: {plan.problems[0].text}")
    return plan


class _Planner(Draft):
    """Makes one plan and collects what is wrong with the map."""

    def plan(self) -> Plan:
        for entry in self.subject.entries:
            if isinstance(entry, Entry):
                self._add_entry(entry)
        self.nodes = walk(self.entries)
        # A part of a row goes, or stays, with it.
        parts = {node.model for node in self.nodes.values() if node.is_part}
        self.hops = [hop for hop in self.hops if hop.model not in parts.intersection(hop.root._meta.get_parent_list())]
        self._check_reached()
        for node in self.nodes.values():
            self.chosen[node.model] = choose(self, node)
            check_tables(self, node)
            check_keys(self, node)
        for node in self.nodes.values():
            check_constants(self, node)
        stores = tuple(self._placed(self._order()))
        self._check_names(stores)
        return Plan(
            subject=self.subject,
            nodes=self.nodes,
            chosen=self.chosen,
            roots=self.roots,
            hops=tuple(self.hops),
            stores=stores,
            unreached=frozenset(self.entries.keys() - self.nodes.keys()),
            problems=tuple(self.problems),
            digest=digest_of(stores, self.chosen, self.roots),
        )

    # ------------------------------------------------------------ what is declared

    def _add_entry(self, entry: Entry) -> None:
        try:
            model = concrete(entry.model)
        except (LookupError, ValueError):
            self.refuse(f"names {entry.model!r}, which is no installed model", "Correct the name.")
            return
        label = model._meta.label
        if model._meta.swapped or model._meta.abstract:
            self.refuse(f"names {label}, which has no table", "Name the model in its place.")
        elif model in self.entries and (entry.what is not What.ANONYMISED or entry.by is not None or not entry.via):
            cure = "Leave one; a further one is anonymise(…, via='…', …). A proxy is the model that it stands for."
            self.refuse(f"names {label} twice", cure)
        else:
            columns = {name for each in model._meta.concrete_fields for name in (each.name, each.attname)}
            for name, value in entry.values.items():
                if name not in columns:
                    self.refuse(f"sets {label}.{name}, which is no column", "Correct the name.")
                elif why := why_not_set(follow(model, name), value):
                    self.refuse(f"sets {label}.{name}, which {why}", "Set what the column can hold.")
                elif follow(model, name).unique and value is not None:
                    problem = f"sets {label}.{name}, which is unique, to the same value in the rows of all persons"
                    self.refuse(problem, "Set it to None, or erase the rows.")
            if model in self.entries:
                self.further.setdefault(model, []).append(entry)
                return
            self.entries[model] = entry
            if entry.by is not None:
                self._add_root(model, entry, entry.by)

    def _add_root(self, model: Model, entry: Entry, by: str) -> None:
        label, keys = model._meta.label, keys_to_project(model)
        project = entry.project or ("" if entry.across_projects or len(keys) != 1 else keys[0])
        try:
            column = follow(model, by)
            end = follow(model, project) if project else None
        except FieldDoesNotExist as error:
            self.refuse(f"cannot find rows of {label}: {error}", "Correct by='…' or project='…'.")
            return
        if kind_of(column) not in KINDS:
            problem = f"finds rows of {label} by {by!r}, which is no column of texts, whole numbers or UUIDs"
            self.refuse(problem, "Say by='…' where the reference stands as one of these.")
            return
        hops = [hop for path in (by, project) if path for hop in hops_of(model, path)]
        if any(hop.model is model for hop in hops):
            self.refuse(f"finds rows of {label} by a path through {label}", "Say by='…' in a column of its own.")
            return
        self.hops += hops
        self.roots[model] = Root(by=by, project=project)
        if end is not None and not _leads_to_project(end):
            self.refuse(f"finds the project of {label} by {project!r}, which leads to none", "Correct project='…'.")
        if not project and not entry.across_projects:
            self.refuse(
                f"finds {label} in all projects, as it has {len(keys) or 'no'} keys to {project_model()._meta.label}",
                f"Say project='path__to__project' in {_call_of(entry)}({model.__name__}, …), or across_projects=True.",
                fault=Fault.NO_PROJECT,
            )

    # ------------------------------------------------------------ what is reached

    def _check_reached(self) -> None:
        if all(entry.by is None for entry in self.entries.values()):
            self.refuse("has no root", "Say by='…' where the reference stands.")
        for model, entry in self.entries.items():
            if model not in self.nodes and entry.what is not What.KEPT:
                problem = f"has rows of {model._meta.label}, which no root leads to"
                self.refuse(problem, "Say by='…' where the reference stands, or take it out.")
        home = jobs_connection().alias
        for node in self.nodes.values():
            alias = router.db_for_write(node.model)
            if alias != home:
                problem = f"leads to {node.model._meta.label} in the database {alias!r}; jobs are in {home!r}"
                self.refuse(problem, "Keep it out of the map, and erase it in a step(…).", fault=Fault.IMPOSSIBLE)
        left_out = [
            node
            for node in self.nodes.values()
            if node.entry is None and not node.is_implied and not follows_by_itself(node)
        ]
        hints = hints_of(self.nodes, left_out)
        for node in left_out:
            reached = f"reached by {node.path}; keys: {keys_of(node)}"
            problem = f"does not say what happens to {node.model._meta.label}, {reached}"
            self.refuse(problem, hints[node.model], fault=Fault.LEFT_OUT)

    # ------------------------------------------------------------ in which order

    def _order(self) -> list[Node]:
        """Return the nodes, those whose rows are found through others before these."""
        sorter: TopologicalSorter[Model] = TopologicalSorter()
        for model in self.nodes:
            sorter.add(model)
            for link in self.chosen[model]:
                # A part of a row goes with it, so it comes after what refers to either.
                if not link.is_self and self.nodes[link.parent].leads_on:
                    sorter.add(link.parent, model)
        for hop in self.hops:
            # What is read on the way is changed after the rows that are found by it.
            if hop.model in self.nodes and self.nodes[hop.model].leads_on:
                sorter.add(hop.model, hop.root)
        try:
            return [self.nodes[model] for model in sorter.static_order()]
        except CycleError as error:
            cycle = " → ".join(model._meta.label for model in reversed(error.args[1]))
            cure = "Make one of the keys nullable with on_delete=SET_NULL, or erase these by an action of your own."
            self.refuse(f"has rows that lead to each other: {cycle}", cure, fault=Fault.CYCLE)
            return list(self.nodes.values())

    def _placed(self, order: list[Node]) -> Iterator[Store]:
        """Yield the stores of the ordered nodes, with the host's functions between them."""
        first, before, last = self._places({node.model for node in order})
        yield from first
        files: list[Store] = []
        for node in order:
            yield from before.get(node.model, ())
            for store in self._stores_of(node):
                yield store
                files += store.files
        yield from files  # a storage that fails keeps no row from its turn
        yield from last

    def _stores_of(self, node: Node) -> Iterator[Store]:
        for child, link, values in self._by_parent.get(node.model, ()):
            entries = further_of(self, link)
            name = next((each.store for each in entries if each.store and len(each.via) == 1), None)
            what = What.SET_NULL if set(values) == {link.name} else What.ANONYMISED
            name = name or f"{_name_of(child)}.{link.name}"
            facts: dict[str, Any] = {"link": link, "values": values, "files": _files(name, child.model, values)}
            yield Store(name=name, what=what, model=child.model, **facts)
        values, _ = constants_of(self, node)
        if node.what is not None and not node.is_part and (values or node.what is not What.ANONYMISED):
            because = node.entry.because if node.entry else ""
            facts = {"because": because, "values": values, "files": self._files_of(node, values)}
            yield Store(name=_name_of(node), what=node.what, model=node.model, **facts)

    def _files_of(self, node: Node, values: dict[str, Any]) -> tuple[Store, ...]:
        """Return a store for each column whose files nothing refers to any more when the rows are done."""
        if node.what is not What.ERASED:
            return _files(_name_of(node), node.model, values)
        columns = file_columns(node.model)
        if is_child_part(self.chosen[node.model], is_root=node.model in self.roots):
            columns = [each for each in columns if each.model is node.model]  # the other part of the row stays
        return _files(_name_of(node), node.model, [each.name for each in columns])

    @cached_property
    def _by_parent(self) -> dict[Model, list[tuple[Node, Link, dict[str, Any]]]]:
        """By model, what is set in other rows that refer to its rows, before something happens to these."""
        found: dict[Model, list[tuple[Node, Link, dict[str, Any]]]] = {}
        for node in self.nodes.values():
            for link, values in constants_of(self, node)[1].items():
                found.setdefault(link.parent, []).append((node, link, values))
        return found

    def _places(self, stored: set[Model]) -> tuple[list[Store], dict[Model, list[Store]], list[Store]]:
        first: list[Store] = []
        before: dict[Model, list[Store]] = {}
        waiting: list[Store] = []
        is_first = True
        models = {id(entry): model for model, entry in self.entries.items()}
        for entry in self.subject.entries:
            if isinstance(entry, HostCall):
                called = Store(name=entry.store, what=What.CALLED, call=entry)
                (first if is_first else waiting).append(called)
                continue
            is_first = False
            model = models.get(id(entry))
            if model in stored:
                before.setdefault(model, []).extend(waiting)
                waiting = []
        return first, before, waiting

    def _check_names(self, stores: tuple[Store, ...]) -> None:
        counts = Counter(store.name for store in stores)
        for name in sorted(name for name, count in counts.items() if count > 1):
            self.refuse(f"has two stores called {name!r}", "Say store='…' in one of them.")


def _files(store: str, model: Model, names: Collection[str]) -> tuple[Store, ...]:
    """Return the stores of those columns of files that are among the names."""
    columns = [each for each in file_columns(model) if each.name in names]
    return tuple(Store(name=f"{store}.{each.name}", what=What.REMOVED, file=each) for each in columns)


def follows_by_itself(node: Node) -> bool:
    """Whether the table is not Django's to change, as a view: not managed, and nothing happens to it on a delete."""
    return not node.model._meta.managed and all(link.on_delete is DO_NOTHING for link in node.links)


def _leads_to_project(end: Any) -> bool:
    """Whether a relation leads to one project: of several, another could own the row, too."""
    is_single = end.related_model and not end.many_to_many and not end.one_to_many
    return bool(is_single) and concrete(end.related_model) is project_model()


def _name_of(node: Node) -> str:
    return (node.entry and node.entry.store) or node.model._meta.label


def _call_of(entry: Entry) -> str:
    return {What.ERASED: "erase", What.ANONYMISED: "anonymise"}.get(entry.what, "keep")
