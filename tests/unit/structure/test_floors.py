"""The lowest versions of packages: one list, in pyproject.toml, which ``nox -s floors`` installs exactly."""

from importlib.metadata import version

from tests.support.floors import constraints, floors


def test_each_package_that_hosts_install_has_one_lowest_version():
    known = floors()

    assert {"django", "djangorestframework", "django-filter", "celery", "django-tasks", "psycopg"} <= set(known)
    assert constraints().splitlines() == [f"{name}=={lowest}" for name, lowest in known.items()]


def test_hosts_on_celery_5_4_can_install_the_extra():
    assert floors()["celery"] == "5.4"


def test_this_environment_has_no_older_package_than_allowed():
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(".") if part.isdigit()]

    too_old = {name: found for name in floors() if numbers(found := version(name)) < numbers(floors()[name])}

    assert too_old == {}
