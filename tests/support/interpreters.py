"""The supported pairs of Python and Django, and where their interpreters are.

Imports nothing beyond the standard library: ``noxfile.py`` loads it before anything is installed.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Pair:
    python: str
    django: str
    """What pip is asked for."""

    @property
    def name(self) -> str:
        """The pair as an identifier, such as ``3.13-django6``."""
        return f"{self.python}-django{self.django.partition('>=')[2].partition(',')[0]}"

    def __str__(self) -> str:
        return f"Python {self.python} × {self.django}"


LTS: Final = "django>=5.2,<5.3"
NEWEST: Final = "django>=6,<7"

# Django 6 needs Python 3.12.
PAIRS: Final = (
    Pair(python="3.11", django=LTS),
    Pair(python="3.12", django=LTS),
    Pair(python="3.12", django=NEWEST),
    Pair(python="3.13", django=LTS),
    Pair(python="3.13", django=NEWEST),
)
# The oldest and the newest.
REQUIRED: Final = (PAIRS[0], PAIRS[-1])


def find_python(version: str) -> str | None:
    """Return the path of a Python such as ``3.13``: on ``PATH``, else the newest of pyenv; None: there is none."""
    for directory in [*os.environ.get("PATH", "").split(os.pathsep), *pyenv_directories()]:
        found = shutil.which(f"python{version}", path=directory)
        # pyenv has a shim for each version of any project; it fails outside that project.
        if found and Path(found).parent.name != "shims":
            return found
    return None


def pyenv_directories() -> list[str]:
    """Return where pyenv keeps its interpreters, the newest first."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = sorted((root / "versions").glob("3.*"), key=_numbers, reverse=True)
    return [str(version / "bin") for version in versions]


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in path.name.split("."))
