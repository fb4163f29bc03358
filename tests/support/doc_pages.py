"""The pages of ``docs/how-to`` and ``docs/explanation``: their snippets, commands and links, for tests of them."""

import re
import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, Final

import pytest

from tests.support.source import ROOT

DOCS: Final = ROOT / "docs"
PAGES: Final = {path.stem: path for kind in ("how-to", "explanation") for path in sorted((DOCS / kind).glob("*.md"))}
BLOCK: Final = re.compile(r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def snippets(page: str) -> dict[str, str]:
    """Return the Python blocks of a page by their first line, which is a comment that says what they are."""
    found = [dedent(text) for _, text in BLOCK.findall(PAGES[page].read_text())]
    assert all(text.startswith("# ") for text in found), page
    titled = {text.partition("\n")[0].removeprefix("# "): text for text in found}
    assert len(titled) == len(found), f"two snippets of {page} have one title"
    return titled


def snippet(page: str, title: str) -> str:
    """Return one of them."""
    return snippets(page)[title]


def settings_of(page: str, title: str, **names: Any) -> dict[str, Any]:
    """Return what a snippet for the settings sets, where ``names`` are set before."""
    exec(compile(snippet(page, title), title, "exec"), names)
    return {name: value for name, value in names.items() if name.isupper()}


def load(page: str, title: str, monkeypatch: pytest.MonkeyPatch, **beside: ModuleType) -> ModuleType:
    """Load the snippet ``shop/<name>.py`` as the module ``shop.<name>``, with further modules of the shop beside it."""
    name = f"shop.{Path(title).stem}"
    package, module = ModuleType("shop"), ModuleType(name)
    package.__path__ = []
    module.__package__ = "shop"
    monkeypatch.setitem(sys.modules, "shop", package)
    for other, there in {f"shop.{key}": value for key, value in beside.items()}.items():
        monkeypatch.setitem(sys.modules, other, there)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(snippet(page, title), title, "exec"), vars(module))
    return module


def commands() -> list[tuple[str, str]]:
    """Return every ``manage.py …`` that stands on the pages, with the page."""
    found = []
    for page, path in PAGES.items():
        text = path.read_text()
        in_blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        lines = [line.partition("  #")[0] for block in in_blocks for line in block.splitlines()]
        lines += re.findall(r"`(manage\.py [^`]+)`", text)
        found += [
            (page, after.strip()) for line in lines for after in re.findall(r"(?:manage\.py|jobs-manage) (.*)", line)
        ]
    return found


def links(path: Path) -> list[str]:
    """Return where the relative links of a page lead."""
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    return [target for target in targets if "://" not in target and not target.startswith("#")]
