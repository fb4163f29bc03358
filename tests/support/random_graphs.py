"""Random graphs of models with a map, rows in them, and what an erase must leave of these, found out another way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from hypothesis import strategies

from jobs.erasure import Subject, anonymise, erase, keep, subject
from tests.support.erase_maps import key, model, text, to_project
from tests.support.execution import ANA, BEN

RULES: Final = {
    "cascade": models.CASCADE,
    "protect": models.PROTECT,
    "null": models.SET_NULL,
    # To the own table: the map names it by ``via``, where it erases.
    "named": models.SET_NULL,
}
ROOT: Final = "M0"
ERASED_NAME: Final = "erased"


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A way from rows of ``child`` to rows of ``parent``: a key with its rule, pairs (``many``), or ``generic``."""

    child: str
    parent: str
    rule: str

    @property
    def name(self) -> str:
        return f"{self.rule}_{self.parent.lower()}"

    @property
    def forces(self) -> bool:
        return self.rule in ("cascade", "protect", "generic")


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Models by name, the ways between them, what is to happen to each, and the seed of the rows."""

    names: list[str]
    edges: list[Edge]
    what: dict[str, str]
    seed: int

    def into(self, child: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.child == child and edge.rule != "many"]

    def reached(self, declared: dict[str, str]) -> set[str]:
        """Return the models that hold rows of the root's persons: by all ways, except through what is kept."""
        found = {ROOT}
        while True:
            more = {
                edge.child
                for edge in self.edges
                if edge.rule != "many" and edge.parent in found and declared.get(edge.parent) != "keep"
            }
            if more <= found:
                return found
            found |= more

    def chosen(self, child: str, reached: set[str]) -> list[Edge]:
        """Return the ways by which rows of a reached model are to follow, as the map will say."""
        ways = [edge for edge in self.into(child) if edge.parent in reached and self.what[edge.parent] != "keep"]
        if self.what[child] == "keep":
            return ways
        forcing = [edge for edge in ways if edge.forces and self.what[edge.parent] == "erase"]
        others = [edge for edge in ways if edge.parent != child and edge.parent < child]
        named = [edge for edge in ways if edge.rule == "named" and self.what[child] == "erase"]
        own = [*(edge for edge in forcing if edge.parent == child), *named]
        from_others = [edge for edge in forcing if edge.parent != child]
        return own + (from_others or ([] if child == ROOT else others[:1]))

    def is_detached(self, edge: Edge) -> bool:
        """Whether the map sets the key of a row that stays to NULL, as the row would have to go, too."""
        is_erased = self.what[edge.parent] == "erase" and edge.parent != edge.child
        return self.what[edge.child] == "anonymise" and edge.forces and is_erased

    def map_of(self, made: dict[str, Any], *, without: frozenset[str] = frozenset()) -> Subject:
        """Return the map of the graph's models; ``without`` some."""
        reached = self.reached(self.what)
        entries = []
        for name in sorted(reached - without):
            by: dict[str, Any] = {"by": "name"} if name == ROOT else {}
            if self.what[name] == "keep":
                entries.append(keep(made[name], because="law"))
                continue
            chosen = self.chosen(name, reached)
            if any(edge.forces and edge.parent != name and self.what[edge.parent] == "erase" for edge in chosen):
                by["via"] = [edge.name for edge in chosen if edge.rule == "named"]
            else:
                by["via"] = [edge.name if edge.rule != "generic" else "object_id" for edge in chosen]
            if self.what[name] == "anonymise":
                detached = [edge.name for edge in self.into(name) if edge.parent in reached and self.is_detached(edge)]
                values = {"note": ERASED_NAME, **dict.fromkeys(detached)}
                entries.append(anonymise(made[name], values=values, **by))
            else:
                entries.append(erase(made[name], **by))
        return subject("user", *entries)


@strategies.composite
def graphs(draw: Callable[..., Any], *, most: int = 7) -> Graph:
    """Draw a graph: each model refers to earlier ones, perhaps to itself, or back to a later one that may stay."""
    names = [f"M{number}" for number in range(draw(strategies.integers(2, most)))]
    edges: list[Edge] = []
    for number, name in enumerate(names):
        for parent in names[:number]:
            rule = draw(strategies.sampled_from(["", "", "cascade", "cascade", "protect", "null", "many", "generic"]))
            if rule == "generic" and any(edge.child == name and edge.rule == "generic" for edge in edges):
                rule = ""
            if rule:
                edges.append(Edge(child=name, parent=parent, rule=rule))
        own = draw(strategies.sampled_from(["", "", "cascade", "null", "named"]))
        if own:
            edges.append(Edge(child=name, parent=name, rule=own))
    what = dict.fromkeys(names, "erase")
    for name in names[1:]:
        ways = [edge for edge in edges if edge.child == name and edge.rule != "many" and edge.parent != name]
        if ways and all(edge.rule == "null" for edge in ways):
            what[name] = draw(strategies.sampled_from(["erase", "anonymise", "keep"]))
        elif ways and all(edge.rule != "generic" for edge in ways):
            what[name] = draw(strategies.sampled_from(["erase", "anonymise"]))
    graph = Graph(names=names, edges=edges, what=what, seed=draw(strategies.integers(0, 2**32)))
    for name in sorted(graph.reached(what)):
        later = [other for other in names if other > name]
        if later and draw(strategies.booleans()):
            edges.append(Edge(child=name, parent=draw(strategies.sampled_from(later)), rule="null"))
    return graph


def models_of(graph: Graph) -> dict[str, Any]:
    """Make the models; inside ``isolate_apps``."""
    made: dict[str, Any] = {}
    for name in graph.names:
        members: dict[str, Any] = {"name": text(), "note": text()}
        if name == ROOT:
            members["project"] = to_project(db_constraint=False)
        for edge in graph.edges:
            if edge.child == name and edge.rule == "many":
                members[edge.name] = models.ManyToManyField(f"hostapp.{edge.parent}", related_name="+")
            elif edge.child == name and edge.rule == "generic":
                members["content_type"] = key(ContentType, db_constraint=False)
                members["object_id"] = models.BigIntegerField()
                members["about"] = GenericForeignKey()
            elif edge.child == name:
                target = "self" if edge.parent == name else f"hostapp.{edge.parent}"
                members[edge.name] = key(target, RULES[edge.rule], null=True)
            if edge.parent == name and edge.rule == "generic":
                members[f"generic_{edge.child.lower()}"] = GenericRelation(f"hostapp.{edge.child}")
        made[name] = model(name, **members)
    return made


@dataclass(kw_only=True)
class Rows:
    """The rows of all tables: the columns by table and key, and the pairs by edge."""

    columns: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    pairs: dict[tuple[str, str], set[tuple[int, int]]] = field(default_factory=dict)


def insert(graph: Graph, made: dict[str, Any], projects: list[Any]) -> None:
    """Insert random rows of two persons in two projects, which refer to each other in any way that the keys allow."""
    random, keys = Random(graph.seed), {name: [] for name in graph.names}  # type: ignore[var-annotated]
    for name in graph.names:
        for _ in range(random.randint(1, 6)):
            values: dict[str, Any] = {"name": random.choice([ANA, BEN])}
            if name == ROOT:
                values["project"] = random.choices(projects, weights=[5, 1])[0]
            for edge in graph.edges:
                if edge.child != name or edge.rule == "many":
                    continue
                target = random.choice([None, *keys[edge.parent]]) if keys[edge.parent] else None
                if edge.rule == "generic":
                    values["content_type"] = ContentType.objects.get_for_model(made[edge.parent])
                    values["object_id"] = target or 0
                else:
                    values[f"{edge.name}_id"] = target
            keys[name].append(made[name].objects.create(**values).pk)
    for edge in graph.edges:
        for child in keys[edge.child]:
            targets = [pk for pk in keys[edge.parent] if random.random() < 0.4]
            if edge.rule == "many":
                getattr(made[edge.child].objects.get(pk=child), edge.name).set(targets)
            elif edge.parent >= edge.child and edge.rule == "null" and targets:
                made[edge.child].objects.filter(pk=child).update(**{f"{edge.name}_id": targets[0]})


def read(graph: Graph, made: dict[str, Any]) -> Rows:
    """Return the rows as they are now."""
    rows = Rows()
    for name in graph.names:
        rows.columns[name] = {row["id"]: row for row in made[name].objects.values()}
    for edge in graph.edges:
        if edge.rule == "many":
            through = made[edge.child]._meta.get_field(edge.name).remote_field.through
            ends = (f"{edge.child.lower()}_id", f"{edge.parent.lower()}_id")
            rows.pairs[edge.child, edge.parent] = set(through.objects.values_list(*ends))
    return rows


def expected(graph: Graph, rows: Rows, *, project: int) -> tuple[Rows | None, dict[str, int]]:
    """Return what a run must leave of the rows, and how many rows of each model that are the person's it meets.

    None: it must refuse to run, as it would change a row of another project.
    """
    reached = graph.reached(graph.what)
    mine: dict[str, set[int]] = {name: set() for name in graph.names}
    mine[ROOT] = {pk for pk, row in rows.columns[ROOT].items() if row["name"] == ANA and row["project_id"] == project}
    while True:
        before = {name: len(found) for name, found in mine.items()}
        for name in reached:
            for edge in graph.chosen(name, reached):
                column = "object_id" if edge.rule == "generic" else f"{edge.name}_id"
                mine[name] |= {pk for pk, row in rows.columns[name].items() if row[column] in mine[edge.parent]}
        if before == {name: len(found) for name, found in mine.items()}:
            break
    gone = {name: found if graph.what[name] == "erase" else set() for name, found in mine.items()}
    left = Rows()
    for name in graph.names:
        left.columns[name] = {pk: dict(row) for pk, row in rows.columns[name].items() if pk not in gone[name]}
        for pk, row in left.columns[name].items():
            if graph.what[name] == "anonymise" and pk in mine[name]:
                row["note"] = ERASED_NAME
            for edge in graph.into(name):
                if (edge.rule in ("null", "named") or graph.is_detached(edge)) and row[f"{edge.name}_id"] in gone[
                    edge.parent
                ]:
                    row[f"{edge.name}_id"] = None
    for (child, parent), pairs in rows.pairs.items():
        left.pairs[child, parent] = {
            pair for pair in pairs if pair[0] not in gone[child] and pair[1] not in gone[parent]
        }
    touched = {pk for pk, row in rows.columns[ROOT].items() if left.columns[ROOT].get(pk) != row}
    if any(rows.columns[ROOT][pk]["project_id"] != project for pk in touched):
        return None, {}
    return left, {name: len(found) for name, found in mine.items() if name in reached}
