"""Files have at most 300 lines, functions at most 40."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.support.source import sources

FILE_LINES: Final = 300
FUNCTION_LINES: Final = 40

# What may be longer, up to which length, and why.
LONGER_FILES: Final[dict[str, tuple[int, str]]] = {}
LONGER_FUNCTIONS: Final[dict[str, tuple[int, str]]] = {}

ALL: Final = [
    source for source in sources("jobs", "jobsite", "tests", "manage.py") if "migrations" not in source.path.parts
]


def functions() -> Iterator[tuple[str, int]]:
    """Give each function as ``path:name``, with its lines; not counted are decorators and the docstring."""
    for source in ALL:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                documented = ast.get_docstring(node, clean=False) is not None
                yield f"{source}:{node.name}", lines_of(node) - (lines_of(first) if documented else 0)


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_files_are_short_enough():
    wrong = [
        f"{source} has {lines} lines"
        for source in ALL
        if (lines := len(source.text.splitlines())) > LONGER_FILES.get(str(source), (FILE_LINES, ""))[0]
    ]

    assert not wrong, "\n".join(wrong)


def test_functions_are_short_enough():
    wrong = [
        f"{name} has {lines} lines"
        for name, lines in functions()
        if lines > LONGER_FUNCTIONS.get(name, (FUNCTION_LINES, ""))[0]
    ]

    assert not wrong, "\n".join(wrong)


def test_the_exceptions_are_still_needed():
    file_lines = {str(source): len(source.text.splitlines()) for source in ALL}
    needed = {name for name, lines in file_lines.items() if lines > FILE_LINES}
    needed |= {name for name, lines in functions() if lines > FUNCTION_LINES}

    assert not (LONGER_FILES.keys() | LONGER_FUNCTIONS.keys()) - needed
