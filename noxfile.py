"""Runs the tests of `make test` on every pair of Python and Django, on the oldest packages, with prepared statements.

The themes of the admin have a session, too.

``nox`` runs everything, as ``make nightly`` does; ``nox -p 3.13`` some pairs, ``nox -s floors`` the oldest packages.
``nox -- --only sqlite tests/unit/api`` passes the rest to ``tests/run.py``. A pair whose interpreter
is not on this machine is skipped, and the summary names it; with ``CI`` set it fails.
"""

import os
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # nox runs this file from anywhere

from tests.support.floors import constraints
from tests.support.interpreters import PAIRS, pyenv_directories

nox.needs_version = ">=2024.4.15"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
# nox looks on PATH alone; the caller's own come first.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *pyenv_directories()])


@nox.session
@nox.parametrize(["python", "django"], [nox.param(pair.python, pair.django, id=pair.name) for pair in PAIRS])
def suite(session: nox.Session, django: str) -> None:
    """Run the suite as ``make test`` does."""
    session.install("--editable", ".[dev]", django)
    session.run("python", "-c", "import sys, django; print(f'Python {sys.version}, Django {django.__version__}')")
    session.run("python", "-m", "tests.run", *session.posargs)


@nox.session(python=PAIRS[0].python)
def floors(session: nox.Session) -> None:
    """Run the suite and the engines on the lowest versions that pyproject.toml allows; Celery's among them."""
    lowest = Path(session.create_tmp(), "floors.txt")
    lowest.write_text(constraints())
    session.install("--editable", ".[dev,docs,postgres]", "--constraint", str(lowest))
    session.run(
        "python", "-m", "tests.run", *(session.posargs or ["tests/unit", "tests/integration", "tests/system/engines"])
    )


@nox.session(python=PAIRS[0].python)
def prepared(session: nox.Session) -> None:
    """Run the suite on PostgreSQL where Django has psycopg prepare each statement."""
    session.install("--editable", ".[dev]", PAIRS[0].django)
    session.run("python", "-m", "tests.run", "--only", "postgresql", *session.posargs, env={"TEST_PREPARED": "1"})


@nox.session(python=PAIRS[-1].python)
def themes(session: nox.Session) -> None:
    """Show every page of the admin on the themes, with the newest Django that they support."""
    session.install("--editable", ".[dev]", PAIRS[-1].django)
    session.run("python", "-m", "tests.run", "--only", "sqlite", "-n", "2", "tests/system/browser/test_themes.py")
