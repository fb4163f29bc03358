"""The Dockerfile's steps, taken one by one without Docker: what an image made by them holds, serves and runs."""

import re
import secrets
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.support.deployment import ROOT, apps, exec_form, stages
from tests.support.environments import CLEAN, required_python, run
from tests.support.http_server import free_port, request, wait_until_it_answers
from tests.support.interpreters import REQUIRED

pytestmark = pytest.mark.timeout(600)

# Places that the Dockerfile names; here they are below a directory.
PLACES: Final = re.compile(r"(?<![\w./])/(venv|builder|src|wheels|app)\b")
SITE: Final = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "localhost",
    "TRUST_PROXY": "1",
}


@dataclass(kw_only=True)
class Build:
    """One stage while it is built below ``root``; ``python`` is what its base image brings."""

    root: Path
    python: str
    workdir: Path = Path("/")
    environment: dict[str, str] = field(default_factory=lambda: dict(CLEAN))

    def here(self, text: str) -> str:
        """Return a text of the Dockerfile with its places moved below the root."""
        return PLACES.sub(lambda found: f"{self.root}/{found[1]}", text)

    def take(self, word: str, said: str) -> None:
        """Take one step."""
        if word == "WORKDIR":
            self.workdir = Path(self.here(said))
            self.workdir.mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            given = {name: value for name, _, value in (pair.partition("=") for pair in shlex.split(said))}
            self.environment |= {
                name: self.here(value).replace("$PATH", self.environment["PATH"]) for name, value in given.items()
            }
        elif word == "COPY" and not said.startswith("--from"):
            *sources, target = said.split()
            for source in sources:
                self._copy(ROOT / source, self.workdir / target)
        elif word == "RUN":
            self.run(*exec_form(said))

    def run(self, *command: str) -> str:
        """Run a command as ``RUN`` and ``docker run`` do; return what it printed."""
        return run(self.command(*command), cwd=self.workdir, env=self.environment)

    def command(self, *words: str) -> list[str]:
        """Return a command line with the interpreters of this stage."""
        found = [self.here(word) for word in words]
        venv = self.root / "venv/bin"
        if venv.exists() and str(venv) in self.environment["PATH"]:
            return found  # its PATH names the environment first
        start = {"python": [self.python], "pip": [self.python, "-m", "pip"]}
        return [*start.get(found[0], found[:1]), *found[1:]]

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(source, target / source.name if target.is_dir() else target)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The last stage, built."""
    root = tmp_path_factory.mktemp("image")
    pair = REQUIRED[-1]
    for stage in stages():
        assert stage.base == f"python:{pair.python}-slim"
        build = Build(root=root, python=required_python(pair))
        for word, said in stage.instructions:
            build.take(word, said)
    return build


def test_the_app_comes_from_its_wheel_and_the_site_from_beside_it(image: Build):
    places = image.run("python", "-c", "import jobs, jobsite; print(jobs.__file__, jobsite.__file__)").split()

    assert places[0].startswith(f"{image.root}/venv/lib/")
    assert places[1] == f"{image.root}/app/jobsite/__init__.py"
    assert not (image.root / "app/jobs").exists()
    assert (image.root / "app/static/jobsite/site.css").exists()
    assert (image.root / "app/static/jobs/admin.css").exists()


def test_the_image_has_celery_and_the_site_s_app_for_it(image: Build, tmp_path: Path):
    broker = {"BROKER_URL": "amqp://jobs@broker:5672/", "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    program = image.root / "venv/bin" / apps()["celery"]["command"][0]
    question = "from jobsite.celery import app; print(app.main, app.conf.broker_url)"

    answer = run(
        [str(program.with_name("python")), "-c", question], cwd=image.workdir, env=image.environment | SITE | broker
    )

    assert program.name == "celery"
    assert program.exists()
    assert answer.split() == ["jobsite", broker["BROKER_URL"]]


def test_what_is_built_migrates_works_and_serves(image: Build, tmp_path: Path):
    image.environment |= {**SITE, "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    before = sorted(path for path in image.root.rglob("*") if "__pycache__" not in path.parts)
    image.run(*apps()["migrate"]["command"])
    image.run(*apps()["worker"]["command"], "--drain")
    port = free_port()
    command = [word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in stages()[-1].listed("CMD")]

    with subprocess.Popen(image.command(*command), cwd=image.workdir, env=image.environment) as server:
        try:
            wait_until_it_answers(port, server)
            paths = ("/livez", "/readyz", "/static/jobsite/site.css")
            answers = {path: request(port, path, "X-Forwarded-Proto: https").status for path in paths}
        finally:
            server.terminate()
    after = sorted(path for path in image.root.rglob("*") if "__pycache__" not in path.parts)

    # The file system of a container is read-only.
    assert after == before
    assert answers == {"/livez": 200, "/readyz": 200, "/static/jobsite/site.css": 200}
    assert server.returncode == 0
