"""Hosts whose admin has a theme, set up as ``docs/how-to/theme.md`` says."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.doc_pages import snippet
from tests.support.factories import make_key, make_project
from tests.support.http_server import Site, running_server
from tests.support.source import ROOT

# What the reference host sets for itself and a theme does not keep to.
WITHOUT: Final = """
from tests.settings import *
from tests.settings import INSTALLED_APPS, MIDDLEWARE, TEMPLATES
MIDDLEWARE = [each for each in MIDDLEWARE if not each.startswith("jobsite.") or ".Page" in each]
TEMPLATES = [{**TEMPLATES[0], "DIRS": []}]
"""
# A theme that only replaces templates; it asks for no fonts from elsewhere, and is dark where the system is.
JAZZMIN: Final = """
INSTALLED_APPS = ["jazzmin", *INSTALLED_APPS]
JAZZMIN_SETTINGS = {"use_google_fonts_cdn": False}
JAZZMIN_UI_TWEAKS = {"default_theme_mode": "auto"}
"""
UNFOLD: Final = 'INSTALLED_APPS = [*INSTALLED_APPS, "shop"]\n'


def settings_of(theme: str) -> str:
    """Return what a host with this theme adds to its settings."""
    return {"stock": "", "jazzmin": JAZZMIN, "unfold": UNFOLD + snippet("theme", "settings.py")}[theme]


@contextmanager
def themed_site(theme: str, directory: Path) -> Iterator[Site]:
    """Serve a host with the theme on the test database; its files are in ``directory``."""
    (directory / "themed_settings.py").write_text(WITHOUT + settings_of(theme))
    shop = directory / "shop"
    shop.mkdir()
    (shop / "__init__.py").touch()
    (shop / "admin.py").write_text(snippet("theme", "shop/admin.py"))
    project = make_project()
    key = make_key(organization=project.organization)
    environment = {
        "DJANGO_SETTINGS_MODULE": "themed_settings",
        "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}",
        "SECRET_KEY": secrets.token_urlsafe(64),
    }
    with running_server(**environment) as port:
        yield Site(address=f"http://127.0.0.1:{port}", project_key=project.key, secret=key.secret, key_id=key.key.pk)
