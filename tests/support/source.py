"""The project's Python files as syntax trees, for the tests of structure."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """The name it is imported by, e.g. ``jobs.models.job``; a package's is that of its directory."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self))

    @cached_property
    def imports(self) -> list["Import"]:
        """The imports that happen when the code runs, also those inside functions."""
        return list(self._imports_in(_run(self.tree)))

    @cached_property
    def all_imports(self) -> list["Import"]:
        """The same, and those under ``if TYPE_CHECKING:``."""
        return list(self._imports_in(ast.walk(self.tree)))

    def _imports_in(self, nodes: Iterable[ast.AST]) -> Iterator["Import"]:
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, None, node.lineno, relative=False)
            elif isinstance(node, ast.ImportFrom):
                start = self.package.split(".")[: len(self.package.split(".")) - node.level + 1] if node.level else []
                origin = ".".join([*start, *filter(None, [node.module])])
                for alias in node.names:
                    yield Import(origin, alias.name, node.lineno, relative=node.level > 0)


@dataclass(frozen=True)
class Import:
    """``import origin``, or ``from origin import name``; ``origin`` is made absolute."""

    origin: str
    name: str | None
    line: int
    relative: bool

    def target(self, modules: set[str]) -> str:
        """Return the module that is meant: ``from . import conf`` means the module, not a name in the package."""
        whole = f"{self.origin}.{self.name}"
        return whole if whole in modules else self.origin


def sources(*places: str) -> list[Source]:
    """Return the Python files in these directories (or these files) of the project, in order of their paths."""
    paths = [
        path for place in places for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]
    return [_source(path) for path in sorted(paths)]


@cache
def _source(path: Path) -> Source:
    """Return the one object for a file, so that each is parsed once."""
    return Source(path)


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree, leaving out what stands under ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for other in child.orelse:
                yield other
                yield from _run(other)
        else:
            yield child
            yield from _run(child)
