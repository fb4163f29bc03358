"""Who calls: the Bearer key of an organization, and nothing else that the host may know of."""

import re
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ..actors import Actor
from ..envelope import request_id_of
from ..models import ApiKey
from ..services import find_access
from .errors import Refusal
from .throttling import count_failed_key

CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}

# The scheme is case-insensitive (RFC 9110 §11.1), blanks between the two are one or more.
_BEARER: Final = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """``request.auth``: the key, the project it opens under the asked project key, and who stands in events.

    ``project`` is None if there is none: unknown, another organization's, or not one
    that the key is bound to, which all look the same from outside.
    """

    key: ApiKey
    project: Model | None
    actor: Actor


class OrganizationKey(BaseAuthentication):
    """``Authorization: Bearer jsk_…``; key, organization and project in one query."""

    def authenticate(self, request: Request) -> tuple[Any, Caller]:
        """Return the caller.

        Raises:
            Refusal: 401 for no key, a malformed, unknown, expired or revoked one, or one of a
                disabled organization: the same answer. 429 to an address that had too many of these.
        """
        sent = _BEARER.fullmatch(request.META.get("HTTP_AUTHORIZATION", ""))
        project_key = request.parser_context["kwargs"].get("project_key", "")
        access = find_access(sent[1], project_key=project_key) if sent else None
        if access is None:
            # Counted only now, so that nobody else's failures lock out a valid key behind the same address.
            failures = count_failed_key(request.META)
            if failures is not None and failures.is_exceeded:
                raise Refusal(429, headers=failures.retry_after)
            raise Refusal(401, headers=CHALLENGE)
        actor = Actor(kind="key", name=access.key.prefix, request_id=request_id_of(request._request))
        return AnonymousUser(), Caller(key=access.key, project=access.project, actor=actor)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge."""
        return CHALLENGE["WWW-Authenticate"]
