"""A map for people: as a tree with the order of the erase, and as a picture for Graphviz."""

from collections.abc import Iterator
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


def tree_of(plan: Plan) -> str:
    """Return the models as a tree from the roots, then the stores in the order in which they are run."""
    below: dict[Model | None, list[Node]] = {}
    for node in plan.nodes.values():
        above = None if node.model in plan.roots or not node.links else node.links[0].parent
        below.setdefault(above, []).append(node)
    lines = [f"{plan.subject.name} ({plan.subject.module}), plan {plan.digest}", ""]
    lines += _branches(plan, below, None, depth=1)
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


def _branches(plan: Plan, below: dict[Model | None, list[Node]], above: Model | None, *, depth: int) -> Iterator[str]:
    for node in below.get(above, ()):
        way = f", by {', '.join(link.name for link in node.links)}" if above is not None else ""
        yield f"{'  ' * depth}{node.model._meta.label}: {_what_of(plan, node)}{way}"
        yield from _branches(plan, below, node.model, depth=depth + 1)


def _what_of(plan: Plan, node: Node) -> str:
    if node.what is None:
        return "stays with its rows" if node.is_implied else NOT_DECLARED
    root = plan.roots.get(node.model)
    found = f" where {root.by} is the reference" if root else ""
    return f"{node.what.value}{found}{', as part of the same rows' if node.is_part else ''}"
