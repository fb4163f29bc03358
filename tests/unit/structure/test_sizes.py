"""Files have at most 300 lines, functions at most 40."""

import ast
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.support.source import sources

FILE_LINES: Final = 300
FUNCTION_LINES: Final = 40

# What may be longer, up to which length, and why.
LONGER_FILES: Final[dict[str, tuple[int, str]]] = {
    "jobs/exceptions.py": (360, "the list of all errors, which hosts import from here"),
}
LONGER_FUNCTIONS: Final[dict[str, tuple[int, str]]] = {}

ALL: Final = [
    source for source in sources("jobs", "jobsite", "tests", "manage.py") if "migrations" not in source.path.parts
]


def functions() -> Iterator[tuple[str, int]]:
    """Give each function as ``path:name``, with its lines; not counted are decorators and the docstring."""
    for source in ALL:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                documented = ast.get_docstring(node, clean=False) is not None
                yield f"{source}:{node.name}", lines_of(node) - (lines_of(node.body[0]) if documented else 0)


def files() -> Iterator[tuple[str, int]]:
    for source in ALL:
        yield str(source), len(source.text.splitlines())


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize(
    ("measured", "most", "longer"), [(files, FILE_LINES, LONGER_FILES), (functions, FUNCTION_LINES, LONGER_FUNCTIONS)]
)
def test_files_and_functions_are_short_enough_and_the_exceptions_are_still_needed(
    measured: Callable[[], Iterator[tuple[str, int]]], most: int, longer: dict[str, tuple[int, str]]
):
    long = [(name, lines) for name, lines in measured() if lines > most]

    wrong = [f"{name} has {lines} lines" for name, lines in long if lines > longer.get(name, (most, ""))[0]]

    assert not wrong, "\n".join(wrong)
    assert not longer.keys() - {name for name, _ in long}
