"""Actors in words: staff by user name, an API key by its public prefix."""

from collections.abc import Iterable, Mapping

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def in_words(actor: str, names: Mapping[str, str]) -> str:
    """Return the words for an actor as it is stored; ``names`` comes from :func:`names_of`."""
    kind, _colon, name = actor.partition(":")
    if kind == "staff":
        return names.get(name) or _("staff %(key)s") % {"key": name}
    if kind == "key":
        return _("API key %(prefix)s…") % {"prefix": name}
    if kind == "system" and not name:
        return _("the system")
    return name or kind


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """Return the user names of the staff among ``actors``, by primary key as text, in one query."""
    users = get_user_model()
    keys = set()
    for actor in actors:
        kind, _colon, name = actor.partition(":")
        if kind == "staff":
            try:
                keys.add(users._meta.pk.to_python(name))
            except ValidationError:  # stored before the host replaced its user model
                continue
    if not keys:
        return {}
    return {str(user.pk): user.get_username() for user in users._base_manager.filter(pk__in=keys)}
