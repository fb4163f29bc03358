"""The pages of the documentation: their snippets, commands and links."""

import re
import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, Final

import pytest

from jobs import actions
from jobsite.models import Session, SessionEvent
from tests.support.hostapp.models import Invoice
from tests.support.source import ROOT

DOCS: Final = ROOT / "docs"
README: Final = ROOT / "README.md"
# The pages whose snippets begin with a comment that names them.
PAGES: Final = {
    path.stem: path
    for path in [
        README,
        *(DOCS / name for name in ("index.md", "admin.md")),
        *(path for kind in ("how-to", "explanation", "reference") for path in sorted((DOCS / kind).glob("*.md"))),
    ]
}
ALL_PAGES: Final = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
BLOCK: Final = re.compile(r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def snippets(page: str) -> dict[str, str]:
    """Return the Python blocks of a page by their first line, a comment that names them."""
    found = [dedent(text) for _, text in BLOCK.findall(PAGES[page].read_text())]
    titled = {text.partition("\n")[0].removeprefix("# "): text for text in found}
    assert len(titled) == len(found), f"two snippets of {page} have one title"
    return titled


def snippet(page: str, title: str) -> str:
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
    for key, value in beside.items():
        monkeypatch.setitem(sys.modules, f"shop.{key}", value)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(snippet(page, title), title, "exec"), vars(module))
    return module


def load_actions(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the snippet ``shop/job_actions.py`` with the models that it imports; only its actions are registered."""
    models = ModuleType("shop.models")
    vars(models).update(Session=Session, SessionEvent=SessionEvent, Invoice=Invoice)
    monkeypatch.setattr(actions, "_registry", {})
    load(page, "shop/job_actions.py", monkeypatch, models=models)


def commands() -> list[tuple[str, str]]:
    """Return every ``manage.py …`` on the pages, with the page."""
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
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    return [target for target in targets if "://" not in target and not target.startswith("#")]
