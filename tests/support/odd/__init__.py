"""A table of odd requests, byte for byte, for any server in front of the site; ``row`` explains it."""

from typing import Final

from tests.support.odd import bodies, headers, targets

ROWS: Final = [*targets.rows(), *headers.rows(), *bodies.rows()]
