"""The site's middleware: headers on every answer, sessions and logins only for pages."""

import asyncio
import inspect
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from jobsite.middleware import PageLogins, PageMessages, PageSessions
from tests.support.api_client import Api

ATTRIBUTES = ("session", "user", "_messages")
PROTECTING = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", ["/public/me", "/public/x/jobs", "/public/no/where", "/public/docs", "/admin/login/"]
)
def test_answers_of_the_api_have_all_headers_that_protect_browsers_as_pages_have(address: str):
    answer = Client().get(address)

    assert {name: answer.headers.get(name) for name in PROTECTING} == PROTECTING


@pytest.mark.django_db
def test_an_answer_to_a_key_sets_no_cookie_and_does_not_vary_by_one(api: Api):
    answer = api.get("/jobs", headers={"Cookie": "sessionid=of-somebody; messages=of-somebody"})

    assert answer.status_code == 200
    assert not answer.cookies
    assert "Cookie" not in answer.headers.get("Vary", "")


def seen_at(address: str, *, is_async: bool) -> list[str]:
    """Return which of the attributes of pages a request has behind the three middlewares."""
    seen = []

    def look(request: HttpRequest) -> HttpResponse:
        seen.extend(name for name in ATTRIBUTES if hasattr(request, name) and type(request.user) is not AnonymousUser)
        return HttpResponse()

    async def look_async(request: HttpRequest) -> HttpResponse:
        return look(request)

    last: Any = look_async if is_async else look
    answer: Any = PageSessions(PageLogins(PageMessages(last)))(RequestFactory().get(address))
    if is_async:
        assert inspect.isawaitable(answer)

        async def wait() -> HttpResponse:
            return await answer

        asyncio.run(wait())
    return seen


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("address", ["/", "/admin/jobs/job/", "/publicity", "/public", "/livez", "/x/public/me"])
def test_a_page_has_session_user_and_messages(address: str, is_async: bool):
    assert seen_at(address, is_async=is_async) == [*ATTRIBUTES]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("address", ["/public/me", "/public/x/jobs/1", "/public/"])
def test_a_request_to_the_api_has_none_of_them(address: str, is_async: bool):
    assert seen_at(address, is_async=is_async) == []


def test_a_form_below_the_prefix_is_still_protected_against_csrf():
    urls = ModuleType("urls_of_a_test")
    urls.urlpatterns = [path("public/form", lambda _: HttpResponse("sent"))]

    with override_settings(ROOT_URLCONF=urls):
        assert Client(enforce_csrf_checks=True).post("/public/form").status_code == 403
        assert Client().post("/public/form").content == b"sent"
