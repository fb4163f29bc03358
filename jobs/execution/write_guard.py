"""The write guard: refuses what an action may not write, on all connections of its thread."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, Final

from ..db.connection import jobs_connection, text_of
from ..db.sql_words import FIRST_WORD, LATER_WORD
from ..db.wrappers import wrapped_statements
from ..exceptions import ActionMisused, WriteOutsideChunk

ROW_WRITES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
# A procedure and a block of code may write anything.
WRITES: Final = ROW_WRITES | {"TRUNCATE", "CREATE", "ALTER", "DROP", "COPY", "CALL", "DO"}

# No expression here goes back over what it has passed, so each takes linear time.
_NAME: Final = r'(?:"[^"]+"|[\w$]+)'
# A write, from its verb to its table.
TARGET: Final = re.compile(
    r"(?:INSERT|UPDATE|DELETE|MERGE|REPLACE|TRUNCATE|COPY|(?:CREATE|ALTER|DROP)\s+TABLE)"
    rf"(?>\s+(?:OR\s+\w+|INTO|FROM|ONLY|TABLE|IF\s+(?:NOT\s+)?EXISTS)\b)*+\s*+({_NAME}(?:\.{_NAME})?)",
    re.IGNORECASE,
)
# What ends a transaction. Django ends its own without such a statement, and its savepoints with ``ROLLBACK TO``.
ENDS: Final = re.compile(
    r"(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b))\b", re.IGNORECASE
)
OUR_MODULES: Final = frozenset({"django", "jobs", "contextlib"})


class WriteGuard:
    """Refuses writes outside chunks or to undeclared databases, and what ends the transaction of a chunk.

    It guards against accidents and is no sandbox: it sees neither other threads nor what
    functions and prepared statements of the database do, nor calls of the driver itself.
    """

    def __init__(self, *, databases: frozenset[str], tables: frozenset[str]) -> None:
        self._databases = databases
        self._tables = frozenset(table.lower() for table in tables)
        self.is_chunk_open = False
        self._is_off = False

    def on(self) -> AbstractContextManager[None]:
        """Guard this thread's connections in the block."""
        return wrapped_statements(self._check)

    @contextmanager
    def chunk_open(self) -> Iterator[None]:
        """Allow writes to the jobs' database in the block."""
        self.is_chunk_open = True
        try:
            yield
        finally:
            self.is_chunk_open = False

    @contextmanager
    def off(self) -> Iterator[None]:
        """Refuse nothing in the block: what runs there is not the action."""
        before, self._is_off = self._is_off, True
        try:
            yield
        finally:
            self._is_off = before

    def _check(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not self._is_off:
            connection = context["connection"]
            text = text_of(sql, connection)
            in_chunk = self.is_chunk_open and connection.alias == jobs_connection().alias
            for verb, position in _verbs(text):
                if in_chunk and ENDS.match(text, position):
                    raise ActionMisused(
                        f"{verb} inside a chunk{_by_caller()}; the chunk commits, or rolls back, itself"
                    )
                if verb in WRITES and not in_chunk and connection.alias not in self._databases:
                    self._refuse_write(verb, text, position, connection.alias)
        return execute(sql, params, many, context)

    def _refuse_write(self, verb: str, text: str, position: int, alias: str) -> None:
        """Refuse a write, unless the action has named its table."""
        target = TARGET.match(text, position)
        table = target[1].replace('"', "") if target else ""
        if verb not in ROW_WRITES or self._tables.isdisjoint({table.lower(), table.lower().rpartition(".")[2]}):
            raise WriteOutsideChunk(verb, alias=alias, table=table, caller=_by_caller())


def _verbs(text: str) -> Iterator[tuple[str, int]]:
    """Yield the verb of a statement, and those of the writes in its ``WITH`` and of the statements after it."""
    first = FIRST_WORD.match(text)
    if first is None:
        return
    yield first[1].upper(), first.start(1)
    is_with = first[1].upper() == "WITH"
    if not is_with and (";" not in text or first[1].upper() == "CREATE"):  # a body of code has semicolons of its own
        return
    for word in LATER_WORD.finditer(text, first.end()):
        # A write in a WITH follows a bracket; so do names of columns and functions, but no table's name follows those.
        if word[3] and (word[2] == ";" or (is_with and TARGET.match(text, word.start(3)))):
            yield word[3].upper(), word.start(3)


def _by_caller() -> str:
    """Return ``, by FILE:LINE`` for the innermost line that is neither ours nor Django's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OUR_MODULES:
        frame = frame.f_back
    return "" if frame is None else f", by {frame.f_code.co_filename}:{frame.f_lineno}"
