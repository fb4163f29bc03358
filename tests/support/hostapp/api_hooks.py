"""A host's own authentication, permission and throttle classes, and its own search for a project."""

from typing import Any

from django.contrib.auth import get_user_model
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from jobs import get_project_model
from jobs.actors import Actor
from jobs.api.authentication import Caller
from jobs.api.permissions import HasScope
from jobs.models import Organization


class Login(BaseAuthentication):
    """Reads ``Authorization: Login <user id>@<organization id>``, in place of a token that must be checked."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme != "Login":
            return None
        name, _, organization = token.partition("@")
        if not name.isdigit():
            raise AuthenticationFailed("mehdi@example.com is unknown")  # which nobody may read
        user = get_user_model()(pk=int(name))
        actor = Actor(kind="user", name=name)
        return user, Caller(
            organization=Organization.objects.get(pk=organization), scopes=["read", "create", "cancel"], actor=actor
        )


class NoCaller(BaseAuthentication):
    """Wrongly sets ``request.auth`` to something that is no ``Caller``."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        return get_user_model()(pk=1), "token"


class OfficeHours(HasScope):
    """Refuses cancels, whatever the scopes are."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.method != "DELETE"


class Everybody(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return True


class OneAtMost(BaseThrottle):
    seen: set[int] = set()

    def allow_request(self, request: Request, view: Any) -> bool:
        owner = request.auth.organization.pk
        is_first = owner not in self.seen
        self.seen.add(owner)
        return is_first

    def wait(self) -> float:
        return 7


def by_name(request: Request, project_key: str) -> Any:
    """Find a project of any organization by its name, as a careless host would; raises if there is none."""
    return get_project_model()._default_manager.get(name=project_key)
