"""Kinds of columns: what they can hold, and how a key in a text is compared with the keys of rows."""

import json
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import DecimalValidator
from django.db.models import (
    CharField,
    DecimalField,
    F,
    ForeignKey,
    Func,
    IntegerField,
    JSONField,
    TextField,
    UUIDField,
)
from django.db.models.functions import Cast

from ..db.connection import jobs_connection

KINDS: Final = {"text": (CharField, TextField), "number": (IntegerField,), "uuid": (UUIDField,)}
# The parts of a UUID as a text, as begin and length in the 32 digits of databases without the type.
PARTS: Final = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def kind_of(column: Any) -> str:
    """Return what kind of value a column holds; of a key, that which it refers to."""
    column = _target(column)
    return next((kind for kind, classes in KINDS.items() if isinstance(column, classes)), type(column).__name__)


def key_as(generic_key: Any, key: Any) -> Any:
    """Return the expression for the keys of rows as a generic key holds them; None: it cannot hold them."""
    value = F("pk")
    kinds = kind_of(generic_key), kind_of(key)
    if kinds[0] == kinds[1]:
        return value
    if kinds == ("text", "uuid") and not jobs_connection().features.has_native_uuid_field:
        # Written flat: SQLite's parser has a stack of a hundred.
        parts = " || '-' || ".join(f"SUBSTR(%(expressions)s, {begin}, {length})" for begin, length in PARTS)
        return Func(value, template=f"({parts})", output_field=TextField())
    # A text of no length: another would be cut, to what may be the key of another row.
    return Cast(value, TextField()) if kinds in (("text", "uuid"), ("text", "number")) else None


def key_held(key: Any, held: Any) -> Any:
    """Return the key of a row that a generic key holds, as a text or itself; None: it is no key of such a row."""
    return _target(key).to_python(str(held)) if is_exactly(key, str(held)) else None


def is_exactly(found: Any, reference: str) -> bool:
    """Whether a column can hold the reference so that it reads the same: ``007`` is no number, and not 7."""
    column = _target(found)
    try:
        value = column.to_python(reference)
    except (ValidationError, ValueError):
        return False
    return str(value) == reference and _is_in_range(column, value)


def why_not_set(column: Any, value: Any) -> str:
    """Return why no row can have this constant in a column; empty: rows can."""
    if column.primary_key:
        return "is the primary key"
    if hasattr(value, "resolve_expression") or getattr(column, "generated", False):
        return "takes no expression, and no value if it is generated"
    if value is None:
        return "" if column.null else "cannot be NULL"
    target = _target(column)
    try:
        stored = target.get_db_prep_save(target.to_python(value), connection=jobs_connection())
        if isinstance(target, JSONField):
            json.dumps(value, cls=target.encoder)
        if isinstance(target, DecimalField):
            DecimalValidator(target.max_digits, target.decimal_places)(target.to_python(value))
    except (ValidationError, ValueError, TypeError, ArithmeticError):
        return f"cannot hold a value of the type {type(value).__name__}, or not this one"
    if target.max_length is not None and isinstance(stored, str) and len(stored) > target.max_length:
        return f"holds at most {target.max_length} characters"
    return "" if _is_in_range(target, stored) else "cannot hold a number of this size"


def _target(column: Any) -> Any:
    while isinstance(column, ForeignKey):
        column = column.target_field
    return column


def _is_in_range(column: Any, number: Any) -> bool:
    """Whether a column of whole numbers can hold one; Django checks this of the column, not of keys to it."""
    if not isinstance(column, IntegerField):
        return True
    least, most = jobs_connection().ops.integer_field_range(column.get_internal_type())
    return bool((least is None or number >= least) and (most is None or number <= most))
