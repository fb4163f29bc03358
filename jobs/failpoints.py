"""Named places at which a test may stop, cut or kill a process; elsewhere they cost one comparison.

``install`` is for tests alone: no setting of a host reaches it.
"""

from collections.abc import Callable
from typing import Final

NAMES: Final = (
    "create.before_commit",
    "create.committed",
    "claimed",
    "chunk.inside",
    "chunk.committed",
    "erase.last_chunk",
    "finish.before",
    "finish.verified",
    "finish.after",
    "beat",
    "rescue.half_way",
    "cancel.committed",
)
"""In the order in which a job may meet them."""

OF_STAFF: Final = ("step.committed",)
"""Met only where staff step in."""

_hook: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Tell the hook, if a test installed one, that the process is at the place ``name``."""
    if _hook is not None:
        _hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Let ``hook`` be called with the name of every place that is reached; None: no longer."""
    global _hook
    _hook = hook
