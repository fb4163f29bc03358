"""Managers and querysets that hide rows, or mark them in place of deleting. Their models are proxies: no tables."""

from typing import Any, Final

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from jobsite.models import Session
from tests.support.hostapp.models import Click, Recording, Visit

GONE: Final = "gone"


class Marking(models.QuerySet[Any]):
    """Marks rows, and returns what Django's ``delete()`` does."""

    def delete(self) -> Any:
        marked = self.update(owner=GONE)
        return marked, {self.model._meta.label: marked}

    def count(self) -> int:
        return 0

    def exists(self) -> bool:
        return False


class MarkingInt(Marking):
    def delete(self) -> Any:
        return super().delete()[0]


class MarkingNone(Marking):
    def delete(self) -> Any:
        super().delete()


class Closed(models.QuerySet[Any]):
    """Refuses all use, as one of a library does while no tenant is chosen."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("choose a tenant first")

    using = filter = all = _chain = _refuse


class Lazy(models.QuerySet[Any]):
    """Adds its condition when it is read."""

    def _fetch_all(self) -> None:
        self.query.add_q(~Q(owner=GONE))
        super()._fetch_all()  # type: ignore[misc]

    def exists(self) -> bool:
        return False


def make_proxy(base: type[models.Model], name: str, manager: models.Manager[Any]) -> Any:
    """Return a proxy of ``base`` with a default and base manager called ``rows``."""
    meta = type("Meta", (), {"proxy": True, "app_label": base._meta.app_label, "base_manager_name": "rows"})
    members = {"__module__": __name__, "rows": manager, "all_rows": models.Manager(), "Meta": meta}
    return type(base)(name, (base,), members)


def manager_of(queryset: Any) -> models.Manager[Any]:
    """Return a manager with the queryset that a function of the plain one makes."""

    class Hiding(models.Manager[Any]):
        def get_queryset(self) -> models.QuerySet[Any]:
            return queryset(super().get_queryset())  # type: ignore[no-any-return]

    return Hiding()


MARKING: Final = {
    "pair": make_proxy(Visit, "MarkedVisit", Marking.as_manager()),
    "int": make_proxy(Visit, "MarkedIntVisit", MarkingInt.as_manager()),
    "none": make_proxy(Visit, "MarkedNoneVisit", MarkingNone.as_manager()),
}
CLOSED: Final = make_proxy(Visit, "ClosedVisit", Closed.as_manager())
LAZY: Final = make_proxy(Visit, "LazyVisit", Lazy.as_manager())
SHOWN: Final = make_proxy(Visit, "ShownVisit", manager_of(lambda rows: rows.exclude(owner=GONE)))
HIDING: Final = {
    "exclude": SHOWN,
    "or": make_proxy(Visit, "OrVisit", manager_of(lambda rows: rows.filter(owner="") | rows.exclude(owner=GONE))),
    "sql": make_proxy(Visit, "SqlVisit", manager_of(lambda rows: rows.extra(where=["owner <> 'gone'"]))),
    "subquery": make_proxy(
        Recording,
        "ClickedRecording",
        manager_of(lambda rows: rows.filter(Exists(Click.objects.filter(recording=OuterRef("pk"))))),
    ),
    "join": make_proxy(Click, "ShownClick", manager_of(lambda rows: rows.exclude(recording__owner=GONE))),
    "instant": make_proxy(
        Session, "PastSession", manager_of(lambda rows: rows.filter(started_at__lte=timezone.now(), user_id__gt=""))
    ),
}
