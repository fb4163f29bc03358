"""Failpoints: named places at which tests stop or kill a process; otherwise each costs one comparison.

No setting of a host reaches ``hook``.
"""

from collections.abc import Callable

hook: Callable[[str], None] | None = None
"""Called with the name of every place that is reached. For tests alone."""


def reach(name: str) -> None:
    """Tell the hook, if a test has set one, that the process is at the place ``name``."""
    if hook is not None:
        hook(name)
