"""Kinds of columns, and how a key in a text or another column is compared with the keys of rows."""

from typing import Any, Final

from django.db.models import CharField, F, ForeignKey, IntegerField, TextField, UUIDField, Value
from django.db.models.functions import Cast, Concat, Substr

from ..db.connection import jobs_connection

KINDS: Final = {"text": (CharField, TextField), "number": (IntegerField,), "uuid": (UUIDField,)}
# The parts of a UUID as a text, as begin and length in the 32 digits of databases without the type.
PARTS: Final = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def kind_of(column: Any) -> str:
    """Return what kind of value a column holds; of a key, that which it refers to."""
    while isinstance(column, ForeignKey):
        column = column.target_field
    return next((kind for kind, classes in KINDS.items() if isinstance(column, classes)), type(column).__name__)


def key_as(generic_key: Any, key: Any, *, at: Any = None) -> Any:
    """Return the keys of rows as a generic key holds them: an expression of ``at``, else of ``pk``.

    None: it cannot hold them.
    """
    value = F("pk") if at is None else at
    kinds = kind_of(generic_key), kind_of(key)
    if kinds[0] == kinds[1]:
        return value
    if kinds == ("text", "uuid") and not jobs_connection().features.has_native_uuid_field:
        first, *more = (Substr(value, *part) for part in PARTS)
        parts = [each for part in more for each in (Value("-"), part)]
        return Concat(first, *parts, output_field=TextField())
    # A text of no length: another would be cut, to what may be the key of another row.
    return Cast(value, TextField()) if kinds in (("text", "uuid"), ("text", "number")) else None
