"""What to add to a map for a model that it leaves out: lines to paste, and only such as can work."""

from functools import reduce
from operator import and_

from .declaration import What
from .graph import Kind, Link, Model, Node


def hints_of(nodes: dict[Model, Node], left_out: list[Node]) -> dict[Model, str]:
    """Return the cure for each model that a map does not name."""
    settled = _settled_by(nodes, {node.model for node in left_out})
    return {node.model: _hint(nodes, node, settled.get(node.model, 0)) for node in left_out}


def _hint(nodes: dict[Model, Node], node: Node, settled: int) -> str:
    label, links, forcing = node.model._meta.label, _links(node), _forcing(nodes, node)
    names = [f'"{link.name}"' for link in links]
    via = f", via=({', '.join(names)})" if len(names) > 1 and not forcing else ""
    lines = [f'erase("{label}"{via}),']
    if not forcing:
        lines.append(f'anonymise("{label}"{via}, …=…),')
    elif all(link.kind is Kind.KEY and link.field.null for link in forcing):
        lines.append(f'anonymise("{label}", {", ".join(f"{link.field.name}=None" for link in forcing)}),')
    if all(link.kind is Kind.CHILD and nodes[link.parent].is_part for link in forcing):
        lines.append(f'keep("{label}", because="…"),')
        lines[-1] += f" which also settles {settled} of the models below it" if settled else ""
    return f"Add to it: {' – or '.join(lines)}"


def keys_of(node: Node) -> str:
    """Return the keys by which a model is reached, with their rules."""
    return ", ".join(f"{link.name} to {link.parent._meta.label} ({link.rule})" for link in _links(node))


def _links(node: Node) -> list[Link]:
    return [link for link in node.links if not link.is_self]


def _forcing(nodes: dict[Model, Node], node: Node) -> list[Link]:
    """Return the keys of rows that cannot stay as they are, where what they refer to is erased, or may be."""
    return [link for link in _links(node) if link.is_forcing and nodes[link.parent].what in (What.ERASED, None)]


def _settled_by(nodes: dict[Model, Node], left_out: set[Model]) -> dict[Model, int]:
    """Return how many models that are left out are reached through another one alone, by this one."""
    bits = {model: 1 << number for number, model in enumerate(nodes)}
    every = (1 << len(nodes)) - 1
    # By model, those that each way to it leads through.
    through = dict.fromkeys(nodes, every)
    is_changed = True
    while is_changed:
        is_changed = False
        for model, node in nodes.items():
            is_root = not node.links or (node.entry is not None and node.entry.by is not None)
            found = bits[model] | (0 if is_root else reduce(and_, (through[link.parent] for link in node.links)))
            is_changed, through[model] = is_changed or found != through[model], found
    return {model: sum(bool(through[each] & bits[model]) for each in left_out) - 1 for model in left_out}
