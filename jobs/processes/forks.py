"""What a child that an action forks does not inherit from our process: signal handlers and connections."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from django.db import connections

Handler = Callable[[int, FrameType | None], Any] | int | None

_processes: set[int] = set()
_handlers_before: dict[signal.Signals, Handler] = {}
# Connections of the parent: closing one here, or letting Python delete it, would end the parent's session.
_inherited: Final[list[Any]] = []


def protect_children() -> None:
    """Let children of this process, from now on, connect to the databases anew."""
    _processes.add(os.getpid())


def handle_signals(handler: Callable[[int, FrameType | None], None], *signums: signal.Signals) -> None:
    """Set a handler that children of this process do not inherit: they have the one that was set before."""
    for signum in signums:
        before = signal.signal(signum, handler)
        _handlers_before.setdefault(signum, signal.SIG_DFL if before is None else before)


def _forget_parent() -> None:
    if os.getppid() not in _processes:
        return
    _processes.clear()
    if _handlers_before:
        signal.set_wakeup_fd(-1)
    for signum, before in _handlers_before.items():
        signal.signal(signum, before)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for connection in connections.all(initialized_only=True):
        raw = connection.connection
        if hasattr(raw, "pgconn") and not raw.closed:
            os.dup2(nowhere, raw.fileno())  # else the server would think the session alive after the parent's death
        _inherited.append(raw)
        del connections[connection.alias]
    os.close(nowhere)


os.register_at_fork(after_in_child=_forget_parent)
