"""Runs the tests of `make test` on every supported pair of Python and Django; part of `make nightly`.

``nox`` runs all pairs, ``nox -p 3.13`` some, ``nox -- --only sqlite tests/unit/api`` passes the
rest to ``tests/run.py``. A pair whose interpreter is not on this machine is skipped, and
the summary names it; with ``CI`` set it fails.
"""

import os
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # nox runs this file from anywhere

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
