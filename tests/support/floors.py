"""The lowest versions that ``pyproject.toml`` allows hosts to have, as a list of constraints for pip.

Imports nothing beyond the standard library: ``noxfile.py`` loads it before anything is installed.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

PROJECT: Final[dict[str, Any]] = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
# What hosts install; the other extras are for the reference host and for work on this project.
EXTRAS: Final = ("postgres", "tasks", "celery", "docs", "orjson")
REQUIREMENT: Final = re.compile(r"^([a-z0-9-]+)(?:\[[a-z]+\])?>=([0-9.]+)(?:,<[0-9.]+)?$")


def floors() -> dict[str, str]:
    """Return the lowest version of each package.

    Raises:
        ValueError: a requirement has no floor, or two different ones.
    """
    optional = PROJECT["optional-dependencies"]
    found: dict[str, str] = {}
    for requirement in [*PROJECT["dependencies"], *(each for extra in EXTRAS for each in optional[extra])]:
        match = REQUIREMENT.match(requirement)
        if match is None or found.setdefault(match[1], match[2]) != match[2]:
            raise ValueError(f"no floor, or a second one: {requirement}")
    # The binary is a package of its own, of the same version.
    return found | {"psycopg-binary": found["psycopg"]}


def constraints() -> str:
    """Return the lines of a file for ``pip install --constraint``."""
    return "".join(f"{name}=={version}\n" for name, version in floors().items())
