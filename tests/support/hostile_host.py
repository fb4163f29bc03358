"""A host whose global settings would all break the API; run as a program, it prints what the API answers there."""

import json
from typing import Any, Final

import django
from django.conf import settings


def never(*_: object, **__: object) -> None:
    """Stand for every class and function of the host that must not be called."""
    raise AssertionError("the host's setting leaked in")


REST_FRAMEWORK: Final = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tests.support.hostile_host.never",
    "DEFAULT_METADATA_CLASS": "tests.support.hostile_host.never",
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "ALLOWED_VERSIONS": ["9"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["tests.support.hostile_host.never"],
    "PAGE_SIZE": 1,
    "EXCEPTION_HANDLER": "tests.support.hostile_host.never",
    "UNAUTHENTICATED_USER": None,
    "FORMAT_SUFFIX_KWARG": "job_id",
    "URL_FORMAT_OVERRIDE": "format",
    "NON_FIELD_ERRORS_KEY": "nope",
    "DATETIME_FORMAT": "%Y",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNICODE_JSON": False,
}


def configure() -> None:
    """Configure Django as that host does."""
    settings.configure(
        SECRET_KEY="x" * 50,
        ALLOWED_HOSTS=["testserver"],
        DATABASES={
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": True}
            for alias in ("default", "other")
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "jobs"],
        MIDDLEWARE=[
            "jobs.middleware.JsonErrors",
            "django.middleware.cache.UpdateCacheMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
            "django.middleware.cache.FetchFromCacheMiddleware",
        ],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        ROOT_URLCONF="tests.support.hostile_urls",
        LANGUAGE_CODE="de",
        USE_I18N=True,
        USE_THOUSAND_SEPARATOR=True,
        TIME_ZONE="Asia/Kathmandu",
        DATA_UPLOAD_MAX_NUMBER_FIELDS=1,
        REST_FRAMEWORK=REST_FRAMEWORK,
    )
    django.setup()


def answers() -> list[Any]:
    """Return status, type and body of some calls, and whether any of them ran in a transaction of the host's."""
    from django.core.management import call_command  # once Django is set up, as those below
    from django.db import connection
    from django.test import Client

    from jobs import action
    from jobs.api import pagination
    from tests.support.factories import make_job, make_key, make_project

    action("touch_publicly", description="Touch {reference_id}", public=True)(never)
    call_command("migrate", verbosity=0)
    project = make_project()
    job, _ = make_job(project=project, reference_id="é"), make_job(project=project)
    key = make_key(organization=project.organization).secret
    in_transaction = []
    list_page = pagination.list_page
    pagination.list_page = lambda *args, **kwargs: (
        in_transaction.append(connection.in_atomic_block) or list_page(*args, **kwargs)
    )

    def call(method: str, path: str, secret: str = key, body: bytes = b"") -> list[Any]:
        headers = {"Authorization": f"Bearer {secret}", "Accept": "text/html", "Accept-Language": "de"}
        response = Client(enforce_csrf_checks=True).generic(
            method, f"/public/{project.key}{path}", body, "application/json", headers=headers
        )
        return [response.status_code, response["Content-Type"], json.loads(response.content)]

    return [
        call("GET", "/jobs?format=html&a=1&b=2"),
        call("GET", f"/jobs/{job.pk}"),
        call("POST", "/jobs", body='{"action": "touch_publicly", "referenceId": "é"}'.encode()),
        call("POST", "/jobs", body=b'{"action": "touch_publicly"}'),
        call("GET", "/jobs/abc"),
        call("PUT", "/jobs"),
        call("GET", "/jobs", secret="wrong"),
        call("GET", "/jobs", secret="wrong"),
        call("GET", "/nowhere"),
        in_transaction,
    ]


if __name__ == "__main__":
    configure()
    print(json.dumps(answers()))
