"""What a host may put in the place of ours: classes and a function that ``JOBS`` names by their dotted paths.

``AUTHENTICATION``, ``PERMISSION`` and ``THROTTLE`` name subclasses of REST framework's
base classes, ``FIND_PROJECT`` a function ``(request, project_key) -> project or None``,
where ``request.auth`` is the :class:`~jobs.api.authentication.Caller`. Whatever they say,
no caller reaches a project of another organization: :func:`find_project` sees to that.
"""

from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.http import Http404
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from .. import conf
from ..exceptions import ProjectNotFound
from ..services.tenants import projects
from .authentication import Caller


def authenticators() -> list[BaseAuthentication]:
    """Return who looks at the credentials of a request."""
    return [import_string(conf.current().authentication)()]


def permissions() -> list[BasePermission]:
    """Return who decides about an authenticated caller."""
    return [import_string(conf.current().permission)()]


def throttles() -> list[BaseThrottle]:
    """Return who counts requests in the place of ``REQUESTS_PER_MINUTE``; empty: nobody does."""
    named = conf.current().throttle
    return [import_string(named)()] if named else []


def find_project(request: Request, project_key: str) -> Model:
    """Return the project that is asked for.

    Raises:
        ProjectNotFound: there is none, or it is not open to this caller; nothing tells which.
    """
    caller = cast("Caller", request.auth)
    found = _finder()(request, project_key)
    if found is None or not caller.may_open(found):
        raise ProjectNotFound
    return found


def _finder() -> Callable[[Request, str], Model | None]:
    named = conf.current().find_project
    return _quietly(import_string(named)) if named else _find_by_key


def _find_by_key(request: Request, project_key: str) -> Model | None:
    caller = cast("Caller", request.auth)
    if caller.key is not None:  # its project was found with it, in one query
        return caller.project
    return projects.find_project(project_key, organization=caller.organization)


def _quietly(finder: Callable[[Request, str], Any]) -> Callable[[Request, str], Model | None]:
    """Take the usual ways to say that there is none for None: answers of their own would tell more."""

    def find(request: Request, project_key: str) -> Model | None:
        try:
            return cast("Model | None", finder(request, project_key))
        except (Http404, ObjectDoesNotExist):
            return None

    return find
