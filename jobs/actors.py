"""Actors: who changed a job, as its events name them."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who changes a job; events store ``str(actor)``, e.g. ``key:jsk_3fG7a2Qx``.

    ``kind`` is ``key`` (an API key, named by its public prefix), ``user`` (a caller of the
    API whom the host's own class authenticates and names), ``staff`` (named by primary
    key, as user names may be e-mail addresses), ``worker`` (named as in its row) or
    ``system`` (host code and maintenance). ``request_id`` is that of the HTTP request, as
    in its logs; empty outside a request.
    """

    kind: Literal["key", "user", "staff", "worker", "system"]
    name: str = ""
    request_id: str = ""

    def __str__(self) -> str:
        """Return ``kind:name``, or only the kind if there is no name."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


# The kinds that call the API.
CALLERS: Final = ("key", "user")
SYSTEM: Final = Actor(kind="system")
