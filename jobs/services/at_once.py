"""How much of one kind a process works on at a time, so that one caller does not take all of its threads."""

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from ..exceptions import Busy


class AtOnce:
    """Lets ``most`` blocks of each key run at a time, in this process."""

    def __init__(self, most: int, *, problem: str) -> None:
        self.most: Final = most
        self.running: Final[Counter[Hashable]] = Counter()
        self._problem = problem
        self._lock = threading.Lock()

    @contextmanager
    def one(self, key: Hashable) -> Iterator[None]:
        """Run the block.

        Raises:
            Busy: at once, if ``most`` others run.
        """
        with self._lock:
            if self.running[key] >= self.most:
                raise Busy(self._problem)
            self.running[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self.running[key] -= 1
                if not self.running[key]:
                    del self.running[key]
