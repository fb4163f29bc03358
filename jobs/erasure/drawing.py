"""A map for people: as a tree with the order of the erase, and as a picture for Graphviz."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .declaration import What
from .graph import Model, Node
from .plan import Plan, Store

NOT_DECLARED: Final = "NOT DECLARED"
COLORS: Final = {
    What.ERASED: "#f4c7c3",
    What.ANONYMISED: "#fce8b2",
    What.KEPT: "#b7e1cd",
    None: "#ffffff",
}


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A model in the tree of a map, and the models that it leads to."""

    node: Node
    below: "Sequence[Branch]"


def branches_of(plan: Plan) -> Sequence[Branch]:
    """Return the roots, and below each model those that were reached through it first."""
    below: dict[Model | None, list[Node]] = {}
    for node in plan.nodes.values():
        above = None if node.model in plan.roots or not node.links else node.links[0].parent
        below.setdefault(above, []).append(node)

    def under(above: Model | None) -> list[Branch]:
        return [Branch(node=node, below=under(node.model)) for node in below.get(above, ())]

    return under(None)


def tree_of(plan: Plan) -> str:
    """Return the models as a tree from the roots, then the stores in the order in which they are run."""
    lines = [f"{plan.subject.name} ({plan.subject.module}), plan {plan.digest}", ""]
    lines += _tree_lines(plan, branches_of(plan), depth=1)
    lines += ["", "In this order:"]
    lines += [f"  {number}. {store.name}: {told_of(store)}" for number, store in enumerate(plan.stores, 1)]
    return "\n".join(lines)


def told_of(store: Store) -> str:
    """Return what happens to a store's rows, in words."""
    if store.what is What.KEPT:
        return f"kept ({store.because})"
    if store.what is What.CALLED:
        return "a function of the host's"
    if store.what is What.SET_NULL:
        return "set to NULL"
    if store.what is What.REMOVED:
        return "files removed"
    return f"anonymised ({', '.join(sorted(store.values))})" if store.values else store.what.value


def picture_of(plan: Plan) -> str:
    """Return the map in the language of Graphviz; the rows do not follow by dashed keys."""
    lines = [f"digraph {plan.subject.name} {{", '  rankdir=LR; node [shape=box, style=filled, fontname="sans-serif"];']
    for node in plan.nodes.values():
        label = node.model._meta.label
        lines.append(f'  "{label}" [label="{label}\\n{_what_of(plan, node)}", fillcolor="{COLORS.get(node.what)}"];')
    for node in plan.nodes.values():
        for link in node.links:
            style = "" if link in plan.chosen[node.model] else ", style=dashed"
            name = f'  "{link.parent._meta.label}" -> "{node.model._meta.label}"'
            lines.append(f'{name} [label="{link.name}"{style}];')
    return "\n".join([*lines, "}"])


def _tree_lines(plan: Plan, branches: Sequence[Branch], *, depth: int) -> Iterator[str]:
    for branch in branches:
        node = branch.node
        way = f", by {', '.join(link.name for link in node.links)}" if depth > 1 else ""
        yield f"{'  ' * depth}{node.model._meta.label}: {_what_of(plan, node)}{way}"
        yield from _tree_lines(plan, branch.below, depth=depth + 1)


def _what_of(plan: Plan, node: Node) -> str:
    if node.what is None:
        return "stays with its rows" if node.is_implied else NOT_DECLARED
    root = plan.roots.get(node.model)
    found = f" where {root.by} is the reference" if root else ""
    return f"{node.what.value}{found}{', as part of the same rows' if node.is_part else ''}"
