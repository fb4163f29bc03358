"""Who calls: the Bearer key of an organization, and nothing else that the host may know of."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from ..actors import Actor
from ..http import request_id_of
from ..models import ApiKey, Organization
from ..services.tenants.api_keys import find_access
from ..services.tenants.projects import organization_id_of
from .throttling import count_failed_key

CHALLENGE: Final = "Bearer"

# The scheme is case-insensitive (RFC 9110 §11.1), blanks between the two are one or more.
_BEARER: Final = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """``request.auth``: for which organization somebody calls, what they may do, and who stands in events.

    ``JOBS["AUTHENTICATION"]`` may name a class of the host's that knows callers by
    something else than an API key; it returns the first three. ``project`` is what the
    key opens under the asked project key. None if there is none: unknown, another
    organization's, or not one that the key is bound to, which all look the same from
    outside.
    """

    organization: Organization
    # Words out of ``jobs.models.SCOPES``.
    scopes: Collection[str]
    # Of the kind "user": its name should be a primary key, not a user name, which may be an e-mail address.
    actor: Actor
    key: ApiKey | None = None
    project: Model | None = None

    @property
    def identity(self) -> str:
        """Who this is among all callers, now and later: what limits and repeated calls are counted by."""
        if self.key is not None:
            return str(self.key.pk)
        # A digest, as it becomes part of texts in which a name could pretend to be another one.
        return hashlib.sha256(f"{self.organization.pk}:{self.actor}".encode()).hexdigest()

    def may_open(self, project: Model) -> bool:
        """Whether ``project`` is of the caller's organization, and the one that its key is bound to, if it is bound."""
        bound = None if self.key is None else self.key.project_id
        return organization_id_of(project) == self.organization.pk and bound in (None, project.pk)


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
                raise Throttled(failures.seconds_left)
            raise AuthenticationFailed
        actor = Actor(kind="key", name=access.key.prefix, request_id=request_id_of(request._request))
        key = access.key
        return AnonymousUser(), Caller(
            organization=key.organization, scopes=key.scopes, actor=actor, key=key, project=access.project
        )

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge."""
        return CHALLENGE
