"""Write the OpenAPI document and the table in ``docs/errors.md``: ``make openapi``, after a change of the API."""

import os

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from jobs.api.openapi import DOCUMENT  # not before the apps are loaded
    from tests.support.openapi.error_page import PAGE, updated_page
    from tests.support.openapi.generate import as_text

    DOCUMENT.write_text(as_text())
    PAGE.write_text(updated_page())
    for path in (DOCUMENT, PAGE):
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
