"""Clients in TypeScript, Go and Java, generated from the document of a live site, compile and make every call."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from jobs.models import Job
from tests.support import environments
from tests.support.clients.scene import PROGRAMS, Scene, run, set_scene
from tests.support.http_server import Site

pytestmark = pytest.mark.timeout(1200)

# Annotations of generated Java; Debian's package libjakarta-annotation-api-java. The rest of what it needs, Jackson,
# is in the generator's own archive.
ANNOTATIONS: Final = Path("/usr/share/java/jakarta-annotation-api.jar")
GO: Final = "packageName=jobs,enumClassPrefix=true,disallowAdditionalPropertiesIfNotPresent=false"
JAVA: Final = "openApiNullable=false,useJakartaEe=true,useSingleRequestParameter=true"
# openapi-typescript is written for the compiler's version 5.
NPM: Final = ["openapi-typescript@7", "openapi-fetch@0", "typescript@5", "@types/node@20"]
STRICT: Final = ["--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noEmitOnError"]


@pytest.fixture
def scene(site: Site, tmp_path: Path) -> Scene:
    return set_scene(site, tmp_path)


def need(*programs: str, files: tuple[Path, ...] = ()) -> None:
    """Skip the test where a compiler is missing; fail in CI."""
    missing = [name for name in programs if shutil.which(name) is None] + [
        str(file) for file in files if not file.exists()
    ]
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{', '.join(missing)} is missing here")


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of openapi-generator, which its package for Python has."""
    need("java")
    directory = tmp_path_factory.mktemp("generator")
    python = environments.make_environment(
        directory / "venv", python=sys.executable, packages=["openapi-generator-cli"]
    )
    (found,) = python.parent.parent.rglob("openapi-generator.jar")
    return found


def generate(generator: Path, scene: Scene, language: str, properties: str, *further: str, cwd: Path) -> None:
    run(
        *("java", "-jar", generator, "generate", "--input-spec", scene.document, "--generator-name", language),
        *("--output", "client", "--additional-properties", properties, *further),
        cwd=cwd,
    )


def assert_every_call_was_made() -> None:
    found: dict[str, Any] = {job.reference_id: job.status for job in Job.objects.all()}
    assert found["ana@example.com"] == "cancelled"
    assert {"c@example.com", "d@example.com", "erased@example.com"} <= found.keys()


def test_a_client_of_openapi_typescript_is_typed_strictly_and_makes_every_call(scene: Scene, tmp_path: Path):
    need("node", "npm")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(PROGRAMS / "program.ts", tmp_path)

    run("npm", "install", "--silent", "--no-audit", "--no-fund", *NPM, cwd=tmp_path)
    run("node_modules/.bin/openapi-typescript", scene.document, "--output", "jobs.d.ts", cwd=tmp_path)
    options = [*STRICT, "--target", "es2022", "--module", "nodenext", "--types", "node"]
    run("node_modules/.bin/tsc", *options, "program.ts", cwd=tmp_path)
    run("node", "program.js", *scene.arguments, cwd=tmp_path)

    assert_every_call_was_made()


def test_a_client_of_openapi_generator_in_go_makes_every_call(scene: Scene, generator: Path, tmp_path: Path):
    need("go")
    generate(generator, scene, "go", GO, "--git-user-id", "x", "--git-host", "example.org", cwd=tmp_path)
    shutil.rmtree(tmp_path / "client" / "test")
    module = tmp_path / "client" / "go.mod"
    module.write_text("module example.org/jobs\n\ngo 1.19\n")
    (tmp_path / "client" / "program").mkdir()
    shutil.copy(PROGRAMS / "program.go", tmp_path / "client" / "program" / "main.go")

    run("go", "vet", "./program", cwd=tmp_path / "client")
    run("go", "run", "./program", *scene.arguments, cwd=tmp_path / "client")

    assert_every_call_was_made()


def test_a_client_of_openapi_generator_in_java_makes_every_call(scene: Scene, generator: Path, tmp_path: Path):
    need("javac", files=(ANNOTATIONS,))
    generate(generator, scene, "java", JAVA, "--library", "native", cwd=tmp_path)
    shutil.copy(PROGRAMS / "Program.java", tmp_path)
    sources = [str(file) for file in (tmp_path / "client" / "src" / "main").rglob("*.java")]
    path = f"{generator}:{ANNOTATIONS}"

    run("javac", "-proc:none", "-cp", path, "-d", "classes", *sources, "Program.java", cwd=tmp_path)
    run("java", "-cp", f"{path}:classes", "Program", *scene.arguments, cwd=tmp_path)

    assert_every_call_was_made()
