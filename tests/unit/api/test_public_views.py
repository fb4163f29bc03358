"""A host that requires a login everywhere: our public pages, the API and its errors stay open to programs."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from tests.support.factories import make_key, make_project

pytestmark = pytest.mark.django_db

LOGIN_REQUIRED: Final = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
# Of every view that has an address; "{key}" stands for a project's key.
PATHS: Final = {
    "/": 200,
    "/favicon.ico": 302,
    "/livez": 200,
    "/readyz": 200,
    "/public/openapi.json": 200,
    "/public/docs": 200,
    "/public/docs/reference": 200,
    "/public/me": 200,
    "/public/{key}/jobs": 200,
    "/public/{key}/jobs/batch": 405,
    "/public/{key}/jobs/preview": 405,
    "/public/{key}/jobs/1": 404,
    "/public/{key}/users/7": 405,
}
ERRORS: Final = {"/public/{key}/jobs/abc": 400, "/public/nowhere/jobs": 404}


@pytest.fixture
def call() -> Iterator[Any]:
    """Ask for a path with a key, as a program does, where ``LoginRequiredMiddleware`` is installed."""
    project = make_project()
    key = make_key(organization=project.organization).secret

    def ask(path: str, *, secret: str = key, method: str = "GET") -> Any:
        return Client().generic(method, path.format(key=project.key), headers={"Authorization": f"Bearer {secret}"})

    with override_settings(MIDDLEWARE=LOGIN_REQUIRED):
        yield ask


def views(resolver: URLResolver) -> Iterator[Any]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.callback
        elif pattern.app_name != "admin":
            yield from views(pattern)


def test_the_paths_below_reach_every_public_view():
    assert {resolve(path.format(key="k")).func for path in PATHS} == set(views(get_resolver()))


@pytest.mark.parametrize(("path", "status"), [*PATHS.items(), *ERRORS.items()])
def test_no_public_view_and_no_error_of_the_api_leads_to_a_login(call: Any, path: str, status: int):
    response = call(path)

    assert response.status_code == status
    assert "login" not in response.headers.get("Location", "")


@pytest.mark.parametrize("path", [path for path in PATHS if "{key}" in path or path.endswith("/me")])
def test_a_wrong_key_is_refused_as_json_and_not_by_a_login_page(call: Any, path: str):
    response = call(path, secret="jsk_wrong")

    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["/public/nowhere", "/public/openapi.json/", "/livez/"])
def test_an_unknown_path_is_a_404(call: Any, path: str):
    assert call(path).status_code == 404


def test_the_admin_still_asks_for_a_login(call: Any):
    assert "/login/" in call("/admin/jobs/job/").headers["Location"]
