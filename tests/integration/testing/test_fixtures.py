"""Factories and fixtures for host projects, and the test of an action that the documentation shows."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from jobs.services.tenants.projects import public_id_of
from jobs.testing import make_api_key, make_organization, make_project
from tests.support.doc_pages import snippet
from tests.support.source import ROOT

pytestmark = pytest.mark.uses_database

SNIPPET = snippet("test", "shop/test_erase.py")


@pytest.mark.django_db
def test_a_key_opens_all_projects_of_its_organization_or_the_one_it_is_made_for():
    organization = make_organization(name="Acme")
    one, two = make_project(organization=organization), make_project(organization=organization, name="Web shop")

    def status(secret: str, project: object) -> int:
        path = f"/public/{project.key}/jobs"
        return Client().get(path, headers={"Authorization": f"Bearer {secret}"}).status_code

    everywhere, bound = make_api_key(organization=organization), make_api_key(project=one, scopes=["read"])
    assert [status(everywhere.secret, project) for project in (one, two)] == [200, 200]
    assert [status(bound.secret, project) for project in (one, two)] == [200, 404]
    assert bound.key.scopes == ["read"]
    assert (two.name, two.organization.name) == ("Web shop", "Acme")
    assert public_id_of(one) != public_id_of(two)


def test_the_fixtures_and_the_documented_test_of_an_action_work(tmp_path: Path):
    """In a pytest of its own, with the reference host's sessions as those of ``shop``."""
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "import jobsite.models\n"
        "sys.modules['shop'] = type(sys)('shop')\n"
        "sys.modules['shop.models'] = jobsite.models\n"
        "pytest_plugins = ['jobs.testing.fixtures']\n"
    )
    (tmp_path / "test_erase.py").write_text(SNIPPET)
    (tmp_path / "test_key.py").write_text(
        "def test_the_key_opens_the_project(client, jobs_project, jobs_api_key):\n"
        "    headers = {'Authorization': f'Bearer {jobs_api_key}'}\n"
        "    assert client.get(f'/public/{jobs_project.key}/jobs', headers=headers).status_code == 200\n"
    )
    options = (
        f"-p no:cacheprovider -p no:xdist -q -c pyproject.toml --ds tests.settings --rootdir {tmp_path} {tmp_path}"
    )
    command = [sys.executable, "-m", "pytest", *options.split()]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
