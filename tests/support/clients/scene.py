"""What the programs find: a site with a job that has ended, a key that may only read, and the document."""

import json
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.apps import apps

from jobs.testing import make_job, run_due_jobs
from tests.support import environments
from tests.support.factories import make_key
from tests.support.http_server import Site

PROGRAMS: Final = Path(__file__).parent
# The programs call a site on this machine.
ENVIRONMENT: Final = {**environments.CLEAN, "NO_PROXY": "*"}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """``document`` is the file as the site serves it; ``arguments`` are those of the programs."""

    document: Path
    arguments: list[str]


def set_scene(site: Site, directory: Path) -> Scene:
    """Run a job to its end and fetch the document."""
    project = apps.get_model("jobs.Project").objects.get(key=site.project_key)
    job = make_job("touch_publicly", project=project, reference_id="done@example.com")
    run_due_jobs()
    reader = make_key(organization=project.organization, scopes=["read"])
    document, errors = directory / "openapi.json", directory / "errors.json"
    with urllib.request.urlopen(f"{site.address}/public/openapi.json") as answer:
        document.write_bytes(answer.read())
    examples = json.loads(document.read_text())["components"]["examples"]
    errors.write_text(json.dumps([example["value"] for example in examples.values() if "error" in example["value"]]))
    where = [f"{site.address}/public", site.project_key, site.secret, reader.secret, str(job.pk), str(errors)]
    return Scene(document=document, arguments=where)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program with the caches of this user; return what it printed."""
    kept = {name: os.environ[name] for name in ("GOCACHE", "GOPATH", "NPM_CONFIG_CACHE") if name in os.environ}
    return environments.run([str(word) for word in command], cwd=cwd, env={**ENVIRONMENT, **kept})
