import asyncio
import json
from types import ModuleType

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path, re_path

from jobs.middleware import JsonErrors
from tests.support.api_client import Api
from tests.support.factories import make_job

pytestmark = pytest.mark.uses_database


def page(request: HttpRequest, rest: str = "") -> HttpResponse:
    """A page of the host's own."""
    return HttpResponse("<html>ours</html>", status=404 if "gone" in rest else 200)


def own_errors(request: HttpRequest, **_: object) -> JsonResponse:
    """Answer JSON of another form."""
    return JsonResponse({"detail": "no"}, status=404)


def urlconf(*patterns: object, **handlers: object) -> ModuleType:
    module = ModuleType("urls_of_a_test")
    module.urlpatterns = list(patterns)
    for name, value in handlers.items():
        setattr(module, name, value)
    return module


API = include("jobs.api.urls")


def assert_envelope(response: HttpResponse, status: int) -> None:
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    body = json.loads(response.content)
    assert list(body) == ["error", "code", "requestId", "docs"]
    assert body["requestId"] == response["X-Request-Id"]
    assert response["Content-Length"] == str(len(response.content))


@pytest.mark.parametrize(
    ("mounted", "below", "beside"),
    [
        (path("public/", API), "/public/x", "/publicity/x"),
        (path("", API), "/x", None),
        (path("v2/api/", include([path("public/", API)])), "/v2/api/public/x", "/v2/api/x"),
        (path("<slug:tenant>/api/", API), "/acme/api/x", "/acme/x"),
        (re_path(r"^(?:old|new)/", API), "/new/x", "/newer/x"),
    ],
)
def test_the_prefix_is_where_the_host_mounts_the_api(mounted: object, below: str, beside: str | None):
    with override_settings(ROOT_URLCONF=urlconf(mounted)):
        missing = Client().get(below)
        assert_envelope(missing, 404)
        assert missing.json()["docs"] == below.removesuffix("x") + "docs#error-not_found"
        assert Client().get(missing.json()["docs"]).status_code == 200
        if beside:
            response = Client().get(beside)
            assert response["Content-Type"].startswith("text/html")
            assert "X-Request-Id" not in response


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("ending", ["jobs/", "jobs/1/", "users", "", "/jobs", "nowhere", "nowhere/"])
def test_a_path_with_another_slash_is_unknown_and_never_redirected(ending: str, method: str, debug: bool):
    with override_settings(DEBUG=debug, APPEND_SLASH=True):
        assert_envelope(Client().generic(method, f"/public/x/{ending}"), 404)


def test_a_redirect_to_another_slash_is_an_unknown_path_and_one_to_another_address_stays_as_it_is():
    catch_all = urlconf(path("public/", API), re_path(r"^(?P<rest>.*)/$", page))
    to_login = JsonErrors(lambda request: HttpResponseRedirect("/login/?next=/public/x/"))

    with override_settings(ROOT_URLCONF=catch_all, APPEND_SLASH=True):
        unknown, elsewhere = Client().get("/public/x/nowhere?a=1"), Client().get("/elsewhere")

    assert_envelope(unknown, 404)
    assert elsewhere["Location"] == "/elsewhere/"
    assert to_login(request_for("/public/x")).status_code == 302


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "PUT"])
@pytest.mark.parametrize("path", ["/public/x/jobs", "/public/x/users/a?b", "/public/me", "/public/x/nowhere/"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "x", "Accept": "text/html"}])
def test_plain_http_is_refused_before_the_key_is_read(method: str, path: str, headers: dict[str, str]):
    with override_settings(SECURE_SSL_REDIRECT=True):  # a query would raise, as this test has no database
        response = Client().generic(method, path, headers=headers)

    assert response.status_code == 403
    assert "Location" not in response
    if method != "HEAD":
        assert_envelope(response, 403)
        assert response.json()["code"] == "https_required"


def test_https_exempt_paths_pages_and_other_addresses_are_not_refused():
    proxied = {"SECURE_SSL_REDIRECT": True, "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}

    with override_settings(**proxied, SECURE_REDIRECT_EXEMPT=["^public/me"]):
        answers = [
            Client().get("/public/x/nowhere", headers={"X-Forwarded-Proto": "https"}),
            Client().get("/public/x/nowhere", secure=True),
            Client().get("/public/me"),
            Client().get("/public/docs", headers={"Accept": "text/html,*/*"}),
            Client().get("/elsewhere"),
        ]

    assert [answer.status_code for answer in answers] == [404, 404, 401, 301, 301]
    assert answers[3]["Location"] == "https://testserver/public/docs"


@pytest.mark.parametrize("host", ["evil.example", "a b", "", "[::1", "testserver@evil.example"])
@pytest.mark.parametrize("debug", [True, False])
def test_a_refused_host_is_a_400(host: str, debug: bool):
    with override_settings(ALLOWED_HOSTS=["testserver"], DEBUG=debug):
        assert_envelope(Client().get("/public/x/jobs", headers={"Host": host}), 400)


@pytest.mark.parametrize("debug", [True, False])
def test_a_500_of_a_middleware_is_json(debug: bool):
    client = Client(raise_request_exception=False)

    with override_settings(MIDDLEWARE=["jobs.middleware.JsonErrors", f"{__name__}.Raises"], DEBUG=debug):
        response = client.get("/public/x/jobs")

    assert_envelope(response, 500)
    assert b"secret" not in response.content
    # First in the reference host, too, but for what empties answers to HEAD, these included.
    assert settings.MIDDLEWARE[:2] == ["jobsite.middleware.HeadWithoutBody", "jobs.middleware.JsonErrors"]


class Raises:
    """A middleware with a fault."""

    def __init__(self, get_response: object) -> None:
        pass

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raise RuntimeError("a secret")


def test_the_hosts_own_error_handlers_do_not_change_the_form_and_its_own_pages_below_the_prefix_stay_as_they_are():
    with override_settings(ROOT_URLCONF=urlconf(path("public/", API), handler404=own_errors)):
        assert_envelope(Client().get("/public/nowhere"), 404)

    with override_settings(ROOT_URLCONF=urlconf(path("public/", API), re_path(r"^public/(?P<rest>.*)$", page))):
        pages = [Client().get(f"/public/{ending}") for ending in ("help", "gone")]
    assert [answer.content for answer in pages] == [b"<html>ours</html>"] * 2
    assert pages[0]["X-Request-Id"]


def request_for(path: str) -> HttpRequest:
    request = HttpRequest()
    request.path = request.path_info = path
    return request


def test_headers_and_cookies_of_a_replaced_answer_are_kept_and_a_304_has_no_content_length():
    headers = {"Retry-After": "7", "ETag": "x", "Content-Encoding": "br"}
    replaced = HttpResponse("<html>", status=503, headers=headers)
    replaced.set_cookie("a", "b")
    unchanged = HttpResponse(status=304, headers={"Content-Length": "0", "ETag": 'W/"x"'})

    response = JsonErrors(lambda _: replaced)(request_for("/public/x/jobs"))
    known = JsonErrors(lambda _: unchanged)(request_for("/public/x/jobs/1"))

    assert_envelope(response, 503)
    assert response["Retry-After"] == "7"
    assert response.cookies["a"].value == "b"
    assert not {"ETag", "Content-Encoding"} & set(response.headers)
    assert not known.has_header("Content-Length")
    assert known["ETag"] == 'W/"x"'


@pytest.mark.django_db(transaction=True)
def test_it_works_under_asgi(api: Api):
    job = make_job(project=api.project)
    headers = {"Authorization": f"Bearer {api.secret}", "X-Request-Id": "mine"}

    async def ask(*paths: str) -> list[HttpResponse]:
        answers = [await AsyncClient().get(path, headers=headers) for path in paths]
        # The thread that ran the views has a connection of its own.
        await sync_to_async(connections.close_all)()
        return answers

    found, missing = asyncio.run(ask(f"/public/{api.project.key}/jobs/{job.pk}", "/public/nowhere"))

    assert found.json()["data"]["jobId"] == job.pk
    assert found["X-Request-Id"] == "mine"
    assert_envelope(missing, 404)
