"""The locked packages of the image are those that ``pyproject.toml`` allows, and each has its hashes."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.deployment import DEPLOY, ROOT, stages

PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: Final[dict[str, Any]] = PYPROJECT["project"]
# A package, and after it, on lines of their own, its hashes.
LOCKED: Final = re.compile(
    r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", re.MULTILINE
)
# What each file must have.
WANTED: Final[dict[str, list[str]]] = {
    "requirements.lock": [
        *PROJECT["dependencies"],
        *(each for extra in ("demo", "celery") for each in PROJECT["optional-dependencies"][extra]),
    ],
    "build.lock": PYPROJECT["build-system"]["requires"],
}


def locked(path: Path) -> dict[str, tuple[str, int]]:
    """Return the version and the number of hashes of each package; fail at a line that is neither package nor hash."""
    text = path.read_text()
    assert re.sub(r"^ *#.*\n", "", LOCKED.sub("", text), flags=re.MULTILINE).strip() == ""
    return {name: (version, hashes.count("sha256")) for name, version, hashes in LOCKED.findall(text)}


def packages_of(wanted: Requirement) -> list[str]:
    """Return the names of a package and of what its extras need, such as ``psycopg-binary`` of ``psycopg[binary]``."""
    needs = [Requirement(each) for each in requires(wanted.name) or () if wanted.extras]
    of_extras = [
        each.name
        for each in needs
        if each.marker and any(each.marker.evaluate({"extra": extra}) for extra in wanted.extras)
    ]
    return [canonicalize_name(name) for name in (wanted.name, *of_extras)]


@pytest.mark.parametrize("name", WANTED)
def test_every_package_that_is_asked_for_is_locked_at_an_allowed_version(name: str):
    found = locked(DEPLOY / name)
    wanted = [Requirement(each) for each in WANTED[name]]

    missing = [name for each in wanted for name in packages_of(each) if name not in found]
    wrong = [str(each) for each in wanted if found.get(each.name, ("", 0))[0] not in each.specifier]

    assert (missing, wrong) == ([], [])


@pytest.mark.parametrize("name", WANTED)
def test_every_locked_package_has_hashes_and_no_line_tells_where_it_came_from(name: str):
    found = locked(DEPLOY / name)

    assert [package for package, (_, hashes) in found.items() if not hashes] == []
    assert "://" not in (DEPLOY / name).read_text()


def test_the_image_installs_nothing_else():
    installs = [said for stage in stages() for word, said in stage.instructions if "pip" in said and word == "RUN"]

    unlocked = [said for said in installs if "--require-hashes" not in said and "--no-deps" not in said]

    assert unlocked == ['["/venv/bin/pip", "check"]']
    assert len(installs) == 5


def test_the_packages_are_locked_for_the_python_and_the_extras_of_the_image():
    recipe = (ROOT / "Makefile").read_text()

    (version,) = re.findall(r"--python-version (\S+)", recipe)

    assert {stage.base for stage in stages()} == {f"python:{version}-slim"}
    assert "--extra demo --extra celery --output-file docs/deploy/requirements.lock" in recipe
