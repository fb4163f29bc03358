"""Typed clients, generated from the document of a live site, pass ``mypy --strict`` and make every call."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from jobs.models import Job
from tests.support import environments
from tests.support.clients.scene import PROGRAMS, Scene, run

pytestmark = pytest.mark.timeout(600)

CONFIG = "package_name_override: jobs_client\nproject_name_override: jobs-client\npost_hooks: []\n"


def test_a_client_of_openapi_python_client_is_typed_and_makes_every_call(scene: Scene, tmp_path: Path):
    (tmp_path / "config.yml").write_text(CONFIG)
    shutil.copy(PROGRAMS / "with_python_client.py", tmp_path / "program.py")
    generate = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(scene.document)]
    generate += ["--config", "config.yml", "--output-path", "jobs_client", "--meta", "none"]

    # Its own environment: the generator formats with programs that it finds on PATH.
    printed = environments.run(generate, cwd=tmp_path, env={**os.environ, "NO_PROXY": "*"})
    run(sys.executable, "-m", "mypy", "--strict", "program.py", "jobs_client", cwd=tmp_path)
    run(sys.executable, "program.py", *scene.arguments, cwd=tmp_path)

    assert "WARNING" not in printed.upper(), printed
    assert Job.objects.filter(status="cancelled").count() == 1


def test_models_of_datamodel_code_generator_are_typed_and_read_every_answer(scene: Scene, tmp_path: Path):
    python = environments.make_environment(
        tmp_path / "venv", python=sys.executable, packages=["datamodel-code-generator", "mypy"]
    )
    shutil.copy(PROGRAMS / "with_pydantic.py", tmp_path / "program.py")
    generate = [python, "-m", "datamodel_code_generator", "--input", scene.document, "--input-file-type", "openapi"]
    generate += ["--output-model-type", "pydantic_v2.BaseModel", "--snake-case-field", "--strict-nullable"]
    generate += ["--use-annotated", "--allow-population-by-field-name", "--target-python-version", "3.11"]

    run(*generate, "--formatters", "builtin", "--output", "models.py", cwd=tmp_path)
    run(python, "-m", "mypy", "--strict", "program.py", "models.py", cwd=tmp_path)
    run(python, "program.py", *scene.arguments, cwd=tmp_path)

    assert Job.objects.filter(status="cancelled").count() == 1
