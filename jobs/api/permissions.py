"""The permission of the API: a caller needs the scope of what it asks for."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from .errors import HttpError


class HasScope(BasePermission):
    """Requires the scope that ``view.scopes`` names for the view's action, if it names one."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True.

        Raises:
            HttpError: 403, naming the missing scope.
        """
        needed = view.scopes[view.action]
        caller: Any = request.auth
        if needed is not None and needed not in caller.scopes:
            raise HttpError(403, code="missing_scope", error=f"this API key lacks the scope {needed!r}")
        return True
