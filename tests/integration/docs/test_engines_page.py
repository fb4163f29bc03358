"""``docs/engines.md``: its settings and commands are accepted; ``tests/system/engines`` runs them with servers."""

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from celery.app.defaults import SETTING_KEYS
from django.core.management import call_command

from jobs.actions import DEFAULT_QUEUE
from tests.support import environments
from tests.support.deployment import ROOT, clean_environment
from tests.support.host_projects import only

PAGE: Final = (ROOT / "docs" / "engines.md").read_text()
SNIPPETS: Final = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONSOLES: Final = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
LINES: Final = [shlex.split(line, comments=True) for block in CONSOLES for line in block.splitlines()]
IN_PROSE: Final = [line.split() for line in re.findall(r"`(manage\.py [^`]+)`", PAGE)]
COMMANDS: Final = [line[1:] for line in [*LINES, *IN_PROSE] if line[0] == "manage.py"]
PREFIX: Final = "CELERY_"

SET_UP: Final = "import json, os, sys\nos.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n"
ASK_THE_APP: Final = """
from shop.celery import app
import django
django.setup()
from jobs.engines.compat import task_backends
assert task_backends["default"].app is app
print(json.dumps({name: app.conf[name] for name in sys.argv[1:]}))
"""
# Celery parses the command line; the worker itself is not started.
ASK_CELERY: Final = """
import click
from celery.bin.celery import celery
celery.commands["worker"].callback = lambda **options: {"app": click.get_current_context().obj.app.main, **options}
print(json.dumps(celery.main(sys.argv[1:], prog_name="celery", standalone_mode=False), default=str))
"""
# A parser exits or raises at an unknown option.
ASK_DJANGO: Final = """
import django
django.setup()
from django.core.management import get_commands, load_command_class
for line in sys.argv[1:]:
    name, *options = line.split()
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parser.allow_abbrev = False
    parser.parse_args(options)
    print(name)
"""


def settings_for(engine: str) -> str:
    """Return the one snippet for the settings that names this engine."""
    (found,) = [text for text in SNIPPETS if text.startswith("# settings.py\n") and engine in text]
    return str(found).replace("[...,", "[*INSTALLED_APPS,")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A new Django project with the settings that the README shows."""
    call_command("startproject", "shop", str(tmp_path))
    readme = only(r"```python\n(.*?)```").replace("[...,", "[*INSTALLED_APPS,").replace(", ...]", ", *MIDDLEWARE]")
    add(tmp_path, "\n".join(line.strip() for line in readme.splitlines()))
    options = only(r"On SQLite, `OPTIONS` of the database needs\s+`(.*?)`")
    add(tmp_path, f'DATABASES["default"]["OPTIONS"] = {options}')
    return tmp_path


@pytest.fixture
def celery_shop(shop: Path) -> Path:
    """The same with the settings and the app for Celery."""
    add(shop, settings_for("CeleryBackend"))
    (found,) = [text for text in SNIPPETS if text.startswith("# shop/celery.py")]
    (shop / "shop" / "celery.py").write_text(found)
    return shop


def add(shop: Path, settings: str) -> None:
    """Add lines to the settings."""
    with (shop / "shop" / "settings.py").open("a") as file:
        file.write(f"\n{settings}\n")


def run(shop: Path, *arguments: str) -> str:
    """Run this Python in the project, with only its own settings and warnings as errors; return what it printed."""
    strict = {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    return environments.run([sys.executable, *arguments], cwd=shop, env=clean_environment(**strict))


def test_these_tests_run_all_code_and_commands_of_the_page():
    assert len(SNIPPETS) == len([settings_for("CeleryBackend"), settings_for("django_tasks_db"), "shop/celery.py"])
    assert {line[0] for line in LINES} == {"pip", "celery", "manage.py"}


def test_django_accepts_the_settings_for_celery_and_they_reach_its_app(celery_shop: Path):
    names: dict[str, Any] = {}
    exec(compile(settings_for("CeleryBackend"), "docs/engines.md", "exec"), names)
    written = {name.removeprefix(PREFIX).lower(): value for name, value in names.items() if name.startswith(PREFIX)}

    checked = run(celery_shop, "manage.py", "check", "--fail-level=WARNING")
    found = json.loads(run(celery_shop, "-c", SET_UP + ASK_THE_APP, *written))

    assert "no issues" in checked
    assert {"broker_url"} <= written.keys() <= SETTING_KEYS
    assert found == written


def test_django_accepts_the_settings_for_django_tasks_db_and_knows_every_command(shop: Path):
    add(shop, settings_for("django_tasks_db"))  # whose own commands need its backend

    checked = run(shop, "manage.py", "check", "--fail-level=WARNING")
    known = run(shop, "-c", SET_UP + ASK_DJANGO, *map(" ".join, COMMANDS))

    assert "no issues" in checked
    assert known.split() == [line[0] for line in COMMANDS]
    assert {"db_worker", "jobdispatcher", "jobworker"} <= set(known.split())


def test_the_packages_to_install_have_these_extras():
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = [line[2] for line in LINES if line[0] == "pip"]
    asked = [re.fullmatch(r"django-jobsite\[(.*)\]", package)[1].split(",") for package in packages]

    assert len(asked) == 2
    assert {extra for extras in asked for extra in extras} <= offered.keys()


def test_celery_accepts_its_command_line_and_the_worker_gets_the_queue_of_actions(celery_shop: Path):
    ((_, *options),) = [line for line in LINES if line[0] == "celery"]

    found = json.loads(run(celery_shop, "-c", SET_UP + ASK_CELERY, *options))

    assert (found["app"], found["queues"], found["concurrency"]) == ("shop", [DEFAULT_QUEUE], 4)
    assert re.fullmatch(r"jobs1@[^%]+", found["hostname"])
