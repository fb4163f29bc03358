"""Every text of the admin has its German one, compiled and in the package; none is left that nobody says."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import django.conf
import django.contrib.admin
import pytest
import rest_framework
from django.utils.translation.template import templatize

from tests.support.processes import run_python
from tests.support.source import ROOT, sources

PO: Final = ROOT / "jobs" / "locale" / "de" / "LC_MESSAGES" / "django.po"
TRANSLATING: Final = {"gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
# Translates what services report; its `PROBLEMS` lists the texts.
TOLD_ON: Final = {"jobs/admin/base/forms.py"}
# In a template made plain: the first argument of `_(…)`, `gettext(…)` or `ngettext(…)`.
CALL: Final = re.compile(r"""(?:\b_|gettext)\(u?((['"])(?:(?!\2)[^\\]|\\.)*\2)""")
ENTRY: Final = re.compile(
    r'^msgid (".*"(?:\n".*")*)\n(?:msgid_plural (?:".*"\n?)+)?((?:msgstr.*(?:\n".*")*\n?)+)', re.MULTILINE
)


class Unknown(gettext.NullTranslations):
    """Answers nothing, where a catalogue would answer with the text itself."""

    def gettext(self, message: str) -> str:
        return ""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return ""


def said_in_python() -> Iterator[tuple[str, str]]:
    """Give each text that a module of ours hands to a function for translation, by whatever name, and where."""
    for source in sources("jobs"):
        names = {
            alias.asname or alias.name
            for node in ast.walk(source.tree)
            if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
            for alias in node.names
            if alias.name in TRANSLATING
        }
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value), f"{source}:{node.lineno}"
                else:
                    assert str(source) in TOLD_ON, f"{source}:{node.lineno} translates what no catalogue can have"


def said_in_templates() -> Iterator[tuple[str, str]]:
    """Give each text that a template of ours translates, and where."""
    for path in sorted((ROOT / "jobs" / "templates").rglob("*.html")):
        for quoted, _ in CALL.findall(templatize(path.read_text())):
            yield ast.literal_eval(quoted), path.relative_to(ROOT).as_posix()


SAID: Final = dict([*said_in_python(), *said_in_templates()])


def catalogue(locale: Path = ROOT / "jobs" / "locale") -> gettext.GNUTranslations:
    with (locale / "de" / "LC_MESSAGES" / "django.mo").open("rb") as compiled:
        translations = gettext.GNUTranslations(compiled)
    translations.add_fallback(Unknown())
    return translations


def entries() -> dict[str, list[str]]:
    """Return the texts of the source catalogue with their translations, one for each plural form."""
    found = {}
    for original, translated in ENTRY.findall(PO.read_text()):
        forms = re.split(r"^msgstr(?:\[\d\])? ", translated, flags=re.MULTILINE)[1:]
        found[_joined(original)] = [_joined(form) for form in forms]
    del found[""]  # the header
    return found


def _joined(quoted: str) -> str:
    return "".join(ast.literal_eval(line) for line in quoted.splitlines())


def test_every_text_is_in_german_and_nothing_is_translated_that_nobody_says():
    translations = catalogue()

    missing = [
        f"{place}: {text}"
        for text, place in SAID.items()
        if not (translations.gettext(text) or translations.ngettext(text, text, 1))
    ]
    unsaid = entries().keys() - SAID.keys()

    assert not missing, "run `make messages`, translate and run it again:\n" + "\n".join(missing)
    assert not unsaid, "run `make messages`:\n" + "\n".join(sorted(unsaid))


def test_the_compiled_catalogue_is_the_written_one_without_guesses_and_has_the_values_of_each_text():
    translations = catalogue()
    placeholder = re.compile(r"%\([a-z_]+\)s|%s")

    for text, forms in entries().items():
        plural = [translations.ngettext(text, text, n) for n in (1, 2)]
        assert forms == (plural if len(forms) > 1 else [translations.gettext(text)]), text
        for form in forms:
            assert set(placeholder.findall(form)) >= set(placeholder.findall(text)), text
    assert "fuzzy" not in PO.read_text()


@pytest.mark.parametrize("library", [django.conf, django.contrib.admin, rest_framework])
def test_a_text_that_others_translate_too_says_the_same_there(library: ModuleType):
    """The first installed app wins: in German, "No, take me back" of Django's said "cancel" beside our "Cancel"."""
    theirs = catalogue(Path(str(library.__file__)).parent / "locale")

    for text, forms in entries().items():
        assert len(forms) > 1 or theirs.gettext(text) in ("", forms[0]), text


@pytest.mark.parametrize(
    ("language", "words"), [("de", "API-Schlüssel darf nicht leer sein"), ("en", "API keys must not be blank")]
)
def test_a_host_that_speaks_german_gets_german(language: str, words: str):
    program = f"""
import django
from django.conf import settings
from tests import settings as host
values = {{name: getattr(host, name) for name in dir(host) if name.isupper()}}
settings.configure(**values | {{"USE_I18N": True, "LANGUAGE_CODE": "{language}"}})
django.setup()
from django.utils.translation import gettext
from jobs.models import ApiKey
print(ApiKey._meta.verbose_name_plural, gettext("must not be blank"))
"""
    done = run_python("-W", "error", "-c", program, settings="tests.settings", PYTHONUTF8="1")

    assert done.stdout.strip() == words, done.stderr
