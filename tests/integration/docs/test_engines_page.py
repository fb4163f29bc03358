"""What ``docs/engines.md`` tells hosts to write and to type is so; with servers, ``tests/system/engines`` runs it."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from celery.app.defaults import SETTING_KEYS
from django.core.management import call_command

from jobs.actions import DEFAULT_QUEUE
from tests.support.deployment import ROOT, clean_environment
from tests.support.host_projects import only

PAGE: Final = (ROOT / "docs" / "engines.md").read_text()
SNIPPETS: Final = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONSOLES: Final = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
LINES: Final = [shlex.split(line, comments=True) for block in CONSOLES for line in block.splitlines()]
IN_PROSE: Final = [line.split() for line in re.findall(r"`(manage\.py [^`]+)`", PAGE)]
COMMANDS: Final = [line for line in [*LINES, *IN_PROSE] if line[0] == "manage.py"]
PREFIX: Final = "CELERY_"

ASK_THE_APP: Final = """
import json, sys
from shop.celery import app
import django
django.setup()
from jobs.engines.compat import task_backends
assert task_backends["default"].app is app
print(json.dumps({name: app.conf[name] for name in sys.argv[1:]}))
"""
# All of Celery's own reading of a command line; what it would start then is left out.
ASK_CELERY: Final = """
import json, sys
import click
from celery.bin.celery import celery

def tell(**options):
    return {"app": click.get_current_context().obj.app.main, **options}

celery.commands["worker"].callback = tell
print(json.dumps(celery.main(sys.argv[1:], prog_name="celery", standalone_mode=False), default=str))
"""
# A parser exits, or raises, where it does not know an option.
ASK_DJANGO: Final = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
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
    """A project as Django writes it that has taken the README's steps, with the app for Celery that the page shows."""
    call_command("startproject", "shop", str(tmp_path))
    readme = only(r"```python\n(.*?)```").replace("[...,", "[*INSTALLED_APPS,").replace(", ...]", ", *MIDDLEWARE]")
    add(tmp_path, "\n".join(line.strip() for line in readme.splitlines()))
    options = only(r"On SQLite, `OPTIONS` of the database needs\s+`(.*?)`")
    add(tmp_path, f'DATABASES["default"]["OPTIONS"] = {options}')
    return tmp_path


def add(shop: Path, settings: str) -> None:
    """Add lines to the settings."""
    path = shop / "shop" / "settings.py"
    path.write_text(f"{path.read_text()}\n{settings}\n")


def write_the_celery_app(shop: Path) -> None:
    (found,) = [text for text in SNIPPETS if text.startswith("# shop/celery.py")]
    (shop / "shop" / "celery.py").write_text(found)


def run(shop: Path, *arguments: str) -> str:
    """Run this Python in the project, with no settings but its own, to its good end; return what it printed."""
    strict = {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=shop, env=clean_environment(**strict), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---------------------------------------------------------------- what is to be written


def test_all_code_of_the_page_is_run_here():
    written = [settings_for("CeleryBackend"), settings_for("django_tasks_db")]

    assert len(SNIPPETS) == len(written) + 1
    assert not [text for text in written if "[..." in text]


def test_django_is_content_with_the_settings_for_celery_and_they_reach_its_app(shop: Path):
    snippet = settings_for("CeleryBackend")
    add(shop, snippet)
    write_the_celery_app(shop)
    names: dict[str, Any] = {}
    exec(compile(snippet, "docs/engines.md", "exec"), names)
    told = {name.removeprefix(PREFIX).lower(): value for name, value in names.items() if name.startswith(PREFIX)}

    checked = run(shop, "manage.py", "check", "--fail-level=WARNING")
    found = json.loads(run(shop, "-c", ASK_THE_APP, *told))

    assert "no issues" in checked
    assert told.keys() <= SETTING_KEYS
    assert "broker_url" in told
    assert found == told


def test_django_is_content_with_the_settings_for_django_tasks_db(shop: Path):
    add(shop, settings_for("django_tasks_db"))

    assert "no issues" in run(shop, "manage.py", "check", "--fail-level=WARNING")


# ---------------------------------------------------------------- what is to be typed


def test_every_command_of_the_page_is_looked_at_here():
    assert {line[0] for line in LINES} == {"pip", "celery", "manage.py"}


def test_what_is_to_be_installed_has_these_extras():
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = [line[2:] for line in LINES if line[0] == "pip"]

    assert len(asked) == 2
    for (package,) in asked:
        name, _, extras = package.removesuffix("]").partition("[")
        assert name == "django-jobsite"
        assert set(extras.split(",")) <= offered.keys()


def test_celery_knows_its_command_and_the_worker_takes_the_queue_of_actions(shop: Path):
    add(shop, settings_for("CeleryBackend"))
    write_the_celery_app(shop)
    ((_, *options),) = [line for line in LINES if line[0] == "celery"]

    told = json.loads(run(shop, "-c", ASK_CELERY, *options))

    assert (told["app"], told["queues"], told["concurrency"]) == ("shop", [DEFAULT_QUEUE], 4)
    assert re.fullmatch(r"jobs1@[^%]+", told["hostname"])


def test_every_command_of_django_s_is_there_with_its_options(shop: Path):
    add(shop, settings_for("django_tasks_db"))  # its commands look for a backend of theirs

    told = run(shop, "-c", ASK_DJANGO, *(" ".join(line[1:]) for line in COMMANDS))

    assert told.split() == [line[1] for line in COMMANDS]
    assert {"db_worker", "jobdispatcher", "jobworker"} <= {line[1] for line in COMMANDS}
