"""The page on architecture: each file that it names exists and defines the name beside it."""

import ast
import re
from typing import Final

import pytest

from tests.support.doc_pages import DOCS
from tests.support.source import ROOT, Source

PAGE: Final = (DOCS / "architecture.md").read_text()
PLACES: Final = re.findall(r"`(jobs/[\w/]+\.py)`: `([\w.]+)`", PAGE)


def names_in(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Return the functions and classes defined here, and the methods as ``Class.method``."""
    found = {prefix + node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return found.union(*(names_in(node.body, f"{node.name}.") for node in body if isinstance(node, ast.ClassDef)))


def test_the_page_describes_five_operations():
    assert len(re.findall(r"^## Operation \d: ", PAGE, re.MULTILINE)) == 5
    assert len(PLACES) == len(re.findall(r"^\d+\. ", PAGE, re.MULTILINE)) + 1  # one is in a sentence


@pytest.mark.parametrize(("file", "name"), sorted(set(PLACES)))
def test_the_file_exists_and_defines_the_name(file: str, name: str):
    assert name in names_in(Source(ROOT / file).tree.body)


def test_the_layout_for_contributors_lists_every_package_with_files_that_exist():
    layout = (ROOT / "CONTRIBUTING.md").read_text().split("| package |")[1].split("\n\n")[0].splitlines()[2:]
    rows = [row.strip("| ").split(" | ") for row in layout]
    files = [
        f"{package.strip('`')}/{name}"
        for package, _, items in rows
        for item in items.split("; ")
        for name in re.findall(r"`([\w*]+)/?`", item.partition(":")[0])
    ]
    packages = {path.parent.name for path in (ROOT / "jobs").glob("*/__init__.py")}

    assert {package.strip("`").partition("/")[0] for package, *_ in rows} == packages - {"checks", "migrations"}
    assert [name for name in files if not [*(ROOT / "jobs").glob(f"{name}.py"), *(ROOT / "jobs").glob(name)]] == []
    assert len(files) > 60
