"""Who asked for a change: the name that stands in a job's events."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One who changes jobs; ``str(actor)`` is what an event stores, e.g. ``key:jsk_3fG7a2Qx``.

    ``kind`` is ``key`` (an API key, named by its public prefix), ``user`` (a caller of the API
    whom the host knows by other means, named as it likes), ``staff`` (named by
    primary key, as user names may be e-mail addresses), ``worker`` (named by its row)
    or ``system`` (host code and sweeps). ``request_id`` ties the event to the logs of
    the HTTP request; empty outside one.
    """

    kind: Literal["key", "user", "staff", "worker", "system"]
    name: str = ""
    request_id: str = ""

    def __str__(self) -> str:
        """Return ``kind:name``, or the kind alone where there is no name."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


SYSTEM: Final = Actor(kind="system")
