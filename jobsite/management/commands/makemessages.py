"""``manage.py makemessages``: Django's, with the names by which our code calls ``gettext``."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Collect texts for translation; see the target ``messages`` of the Makefile."""

    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=translated", "--keyword=noop"]
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]  # a guess is no translation
