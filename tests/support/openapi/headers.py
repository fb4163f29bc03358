"""The headers that answers have by their status; those of one endpoint are in ``operations``."""

from collections.abc import Collection
from typing import Any, Final

HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "The id of this request.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Cache-Control": {
        "description": "No cache may store the answer; that about one job only to ask whether it is still right.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": 'What is left of the key\'s requests, and for how many seconds: `"key";r=599;t=34`.',
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": 'How many requests a key has, and within how many seconds: `"key";q=600;w=60`.',
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "The scheme to authenticate by.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": {"type": "integer", "format": "int64", "minimum": 1},
    },
    # Of 503s alone, where one code has none.
    "Retry-After-If-Safe": {
        "description": "Seconds after which to try again; absent with `outcome_unknown`: read before you repeat.",
        "schema": {"type": "integer", "format": "int64", "minimum": 1},
    },
}
"""The components, by name; a header is required where it cannot be absent."""

OF_A_KNOWN_KEY: Final = ("RateLimit", "RateLimit-Policy")


def headers_of(status: int, codes: Collection[str]) -> dict[str, Any]:
    """Return the headers of the answers with this status, which may be errors with these codes."""
    names = {name: name for name in ("X-Request-Id", "Cache-Control")}
    if status != 401:
        names |= {name: name for name in OF_A_KNOWN_KEY}
    if status == 401:
        names["WWW-Authenticate"] = "WWW-Authenticate"
    if status == 429:
        names["Retry-After"] = "Retry-After"
    if status == 503:
        names["Retry-After"] = "Retry-After-If-Safe" if "outcome_unknown" in codes else "Retry-After"
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in names.items()}
