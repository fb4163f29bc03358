"""Builds the wheel, and host projects outside the source tree that follow the README word for word."""

import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tests.support.environments import CLEAN, run
from tests.support.source import ROOT

HOSTS: Final = ROOT / "tests" / "support" / "host_contract"
README: Final = (ROOT / "README.md").read_text()
INTERVENTIONS: Final = README.split("## Add it to your project")[1].split("\n##")[0]
ACTION: Final = re.findall(r"```python\n(# shop/job_actions.py.*?)```", README, re.DOTALL)[0]


def only(pattern: str, text: str = INTERVENTIONS) -> str:
    (found,) = re.findall(pattern, text, re.DOTALL)
    return str(found)


def build_wheel(directory: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    run(command, cwd=ROOT, env=dict(os.environ))
    (wheel,) = directory.glob("*.whl")
    return wheel


def sqlite_database(directory: Path) -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "host.sqlite3")}


def postgresql_database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
    }


@dataclass(frozen=True, kw_only=True)
class Host:
    """A copy of one of ``tests/support/host_contract``, and the Python that it runs on."""

    name: str
    directory: Path
    python: Path
    database: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        strict = {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self.directory)}
        return {**CLEAN, **strict, "HOST_DATABASE": json.dumps(self.database)}

    def manage(self, *arguments: str) -> str:
        return self.run("manage.py", *arguments)

    def run(self, *arguments: str) -> str:
        return run([str(self.python), *arguments], cwd=self.directory, env=self.environment)

    def console(self) -> str:
        """Run the README's commands; return what they printed."""
        lines = only(r"```console\n(.*?)```").splitlines()
        commands = [line.split("manage.py ")[1] for line in lines if line.strip()]
        assert [command.split()[0] for command in commands] == ["createproject", "createapikey"]
        return "".join(self.manage(*shlex.split(command)) for command in commands)


def copy_host(name: str, directory: Path, *, python: Path, database: dict[str, Any]) -> Host:
    target = directory / name
    shutil.copytree(HOSTS / name, target, ignore=shutil.ignore_patterns("__pycache__"))
    for program in ("contract.py", "people.py", "staff.py"):
        shutil.copy(HOSTS / program, target / program)
    host = Host(name=name, directory=target, python=python, database=database)
    _follow_readme(host)
    return host


def _follow_readme(host: Host) -> None:
    package = host.directory / host.name
    settings = only(r"```python\n(.*?)```").replace("[...,", "[*INSTALLED_APPS,").replace(", ...]", ", *MIDDLEWARE]")
    assert "..." not in settings
    lines = [line.strip() for line in settings.splitlines()]
    if "sqlite3" in host.database["ENGINE"]:
        options = only(r"On SQLite, `OPTIONS` of the database needs\s+`(.*?)`")
        lines.append(f'DATABASES["default"]["OPTIONS"] = {options}')
    if host.name == "swapped":
        lines.append(only(r"`(JOBS_PROJECT_MODEL = [^`]*)`"))
    _append(package / "settings.py", lines)
    route = only(r"In the URLs, under any prefix you like: `(.*?)`")
    _append(package / "urls.py", ["from django.urls import include", "", f"urlpatterns += [{route}]"])
    (host.directory / "shop" / "job_actions.py").write_text(ACTION)


def _append(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join([path.read_text().rstrip(), "", *lines, ""]))
