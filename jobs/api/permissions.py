"""What a caller may do: the scopes of its key."""

from typing import Any, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from .authentication import Caller
from .errors import HttpError


class HasScope(BasePermission):
    """The key has the scope that the view names for the method in ``scopes``, if it names one."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True.

        Raises:
            Refusal: 403, naming the scope.
        """
        needed = view.scopes[view.action]
        if needed is not None and needed not in cast("Caller", request.auth).scopes:
            raise HttpError(403, code="missing_scope", error=f"this API key lacks the scope {needed!r}")
        return True
