"""Parses the files of ``docs/deploy`` as far as Docker, Compose and systemd features are used in them."""

import json
import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.run import OWN_VARIABLES
from tests.support.source import ROOT

DEPLOY: Final = ROOT / "docs" / "deploy"
UNITS: Final = sorted(path for path in (DEPLOY / "systemd").iterdir() if path.suffix in (".service", ".timer"))
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
# In the units.
HOME: Final = "/opt/jobs"
ADDRESS: Final = re.compile(r"(127\.0\.0\.1|0\.0\.0\.0):8000")
OFFERED: Final = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::(?P<how>[?+-])(?P<other>(?:[^{}]|\{[^{}]*\})*))?\}")


def clean_environment(**further: str) -> dict[str, str]:
    """Return our environment without the site's settings, and with ``further``."""
    rest = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    return {**rest, **further}


def variables_in(path: Path, *, commented: bool = False) -> dict[str, str]:
    """Return what an environment file sets; with ``commented``, also the lines that are commented out."""
    mark = "(?:# )?" if commented else ""
    return dict(re.findall(rf"^{mark}([A-Z_]+)=(\S*)$", path.read_text(), re.MULTILINE))


def interpolated(text: str, given: dict[str, str]) -> str:
    """Fill in ``${NAME}``, ``${NAME:?}``, ``${NAME:-default}`` and ``${NAME:+where it is given}`` as Compose does."""

    def value(found: re.Match[str]) -> str:
        name = found["name"]
        if found["how"] == "+":
            return interpolated(found["other"], given) if given.get(name) else ""
        if given.get(name):
            return given[name]
        if found["how"] == "?":
            raise KeyError(name)
        return found["other"] or ""

    return OFFERED.sub(value, text)


def lines_of(unit: Path) -> list[tuple[str, str]]:
    """Return the settings of a unit, in order; a key may occur more than once."""
    return re.findall(r"^([A-Za-z]+)=(.*)$", unit.read_text(), re.MULTILINE)


def setting_of(unit: Path, name: str) -> str:
    """Return a setting that a unit has exactly once."""
    (value,) = [value for key, value in lines_of(unit) if key == name]
    return value


@dataclass(kw_only=True)
class Stage:
    """One ``FROM`` of a Dockerfile: its instructions in order, each a word and what follows it."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def last(self, word: str) -> str:
        return [said for found, said in self.instructions if found == word][-1]

    def listed(self, word: str) -> list[str]:
        """Return the last instruction of this kind, which must be in exec form, as a list."""
        return exec_form(self.last(word))


def stages() -> list[Stage]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        word, _, said = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = said.partition(" AS ")
            found.append(Stage(base=base, name=name))
        elif word:
            found[-1].instructions.append((word, " ".join(said.split(" "))))
    return found


def exec_form(said: str) -> list[str]:
    """Return the list in an instruction in exec form, behind options and ``CMD``; shell form is an error."""
    start = said.find("[")
    if start < 0:
        raise ValueError(f"not in exec form: {said}")
    words = json.loads(said[start:])
    assert isinstance(words, list)
    return [str(word) for word in words]


def command_lines() -> dict[str, list[str]]:
    """Return every command line that starts a process of ours, by the file or service it is in."""
    lines = {"Dockerfile": stages()[-1].listed("CMD")}
    lines |= {f"compose {name}": app["command"] for name, app in apps().items() if "command" in app}
    started = {unit.name: setting_of(unit, "ExecStart") for unit in UNITS if unit.suffix == ".service"}
    # For the first instance of a template.
    lines |= {name: shlex.split(line.replace("%i", "1").replace("%%", "%")) for name, line in started.items()}
    return lines


def apps() -> dict[str, dict[str, Any]]:
    """Return the services of Compose that run the image."""
    return {name: service for name, service in COMPOSE["services"].items() if service["image"] == "jobs"}
