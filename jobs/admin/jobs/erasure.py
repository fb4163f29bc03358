"""Erase maps for staff: what they say, and what a job by one of them would do."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern
from django.utils.translation import gettext as translated

from ...erasure.declaration import What
from ...erasure.drawing import Branch, branches_of
from ...erasure.plan import Plan
from ...erasure.planning import plan_of
from ...erasure.subjects import mapped_actions
from ...exceptions import TooSlow
from ...services.reports.erase_preview import StorePreview, preview_erase
from ...status import Status
from ..base import display, masking
from .detail import WHAT_WORDS, JobPageMixin

SAFE_METHODS: Final = ("GET", "HEAD")


# Django logs a name that a template does not find with all that the template has, the reference included.
NOT_SAID: Final = dict.fromkeys(("at_least", "found_nothing", "is_broken", "is_cut", "is_too_slow", "refused_by"))


def preview_of(action: str, *, project: models.Model, reference_id: str) -> dict[str, Any]:
    """Return what a job of an action with an erase map would do now, for ``preview.html``; takes a few seconds at most.

    ``plan`` names what is shown, empty if the map has errors; ``at_least`` is the number of rows with the reference
    that a job can be bound to, if there is one.
    """
    plan = plan_of(mapped_actions()[action])
    if plan.problems:
        return {**NOT_SAID, "plan": "", "is_broken": True}
    try:
        found = preview_erase(action, project=project, reference_id=reference_id)
    except TooSlow:
        uncounted = [_line(store.name, store.what, store.because, display.NONE) for store in plan.stores]
        return {**NOT_SAID, "plan": plan.digest, "lines": uncounted, "is_too_slow": True, "is_doubtful": True}
    return {
        **NOT_SAID,
        "plan": found.plan,
        "lines": [_line(store.name, store.what, store.because, _rows_of(store)) for store in found.stores],
        "is_cut": any(store.is_at_least for store in found.stores),
        "found_nothing": found.found_nothing,
        "refused_by": found.refused_by,
        "is_doubtful": found.found_nothing or bool(found.refused_by),
        "at_least": _least_of([store for store in found.stores if store.is_root]),
    }


class EraseMapsMixin(JobPageMixin):
    """The page of the erase maps, and the preview of a job that waits."""

    def button_urls(self) -> list[URLPattern]:
        ours = [self.page_url("erasure", self.erase_maps_view), self.button_url("preview", self.preview_view)]
        return [*ours, *super().button_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"erase_maps_url": self.erase_maps_url(), **(extra_context or {})})

    def erase_maps_url(self) -> str:
        """Return the URL of the page of the maps; empty where no action has one."""
        return self.url_of("erasure") if mapped_actions() else ""

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Add to the page of a job with an erase map the links to the map and, while it waits, to its preview.

        Without a map they are empty, as of a name that a template does not find Django logs all that it has.
        """
        context = super().form_context(request, row)
        if row is not None:
            has_map = row.action in mapped_actions()
            context["page"]["erase_maps_url"] = self.erase_maps_url() if has_map else ""
            context["page"]["preview_url"] = self.url_of("preview", row.pk) if has_map and _waits(row) else ""
        return context

    def erase_maps_view(self, request: HttpRequest) -> HttpResponse:
        """Show the maps of all actions to users who may view jobs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in SAFE_METHODS:
            return HttpResponseNotAllowed(SAFE_METHODS)
        actions: dict[Any, list[str]] = {}
        for action, subject in mapped_actions().items():
            actions.setdefault(subject, []).append(action)
        maps = [_map_of(plan_of(subject), names) for subject, names in actions.items()]
        return self.page(request, "admin/jobs/job/erase_maps.html", title=translated("Erase maps"), maps=maps)

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a waiting job would do if it ran now, to users who may view it; changes nothing."""
        job = self.get_row(request, object_id, may=True)
        if request.method not in SAFE_METHODS:
            return HttpResponseNotAllowed(SAFE_METHODS)
        if job.action not in mapped_actions() or not _waits(job):
            words = translated("There is no preview: the job does not wait, or its action has no erase map.")
            self.message_user(request, words, messages.WARNING)
            return self.to_page_of(job)
        is_masked = masking.hides_reference(request.user, job)
        preview = preview_of(job.action, project=job.project, reference_id=job.reference_id)
        return self.page(
            request,
            "admin/jobs/job/preview_page.html",
            title=translated("What job %(job)s would do") % {"job": job.pk},
            job=job,
            back=self.url_of("change", job.pk),
            reference=display.visible(masking.masked(job.reference_id) if is_masked else job.reference_id),
            preview=preview,
            is_changed=preview["plan"] and job.receipt.get("created_under") not in (None, preview["plan"]),
            erase_maps_url=self.erase_maps_url(),
        )


def _waits(job: Any) -> bool:
    return bool(job.status == Status.SCHEDULED)


def _line(store: str, what: What, because: str, rows: str) -> dict[str, Any]:
    facts = {"store": store, "kind": what.value, "what": WHAT_WORDS[what], "because": because, "rows": rows}
    return {**facts, "columns": ""}


def _rows_of(store: StorePreview) -> str:
    if store.rows is None:
        return display.NONE
    number = display.whole(store.rows)
    return translated("at least %(number)s") % {"number": number} if store.is_at_least else number


def _least_of(roots: Sequence[StorePreview]) -> int | None:
    """Return how many rows a job can be bound to; of a count that ended early, only that there are some."""
    found = sum(store.rows or 0 for store in roots)
    return (min(found, 1) if any(store.is_at_least for store in roots) else found) or None


def _map_of(plan: Plan, actions: list[str]) -> dict[str, Any]:
    return {
        "name": plan.subject.name,
        "module": plan.subject.module,
        "actions": actions,
        "plan": plan.digest,
        "problems": plan.problems,
        "tree": [_branch(plan, branch, is_top=True) for branch in branches_of(plan)],
        "stores": [
            {**_line(store.name, store.what, store.because, ""), "columns": _columns(store.values, of=store.what)}
            for store in plan.stores
        ],
    }


def _branch(plan: Plan, branch: Branch, *, is_top: bool) -> dict[str, Any]:
    node, root = branch.node, plan.roots.get(branch.node.model)
    return {
        "model": node.model._meta.label,
        "kind": node.what.value if node.what else "",
        "what": _what_of(branch),
        "columns": "",
        "is_part": node.is_part,
        "because": node.entry.because if node.entry else "",
        "root": root.by if root else "",
        "links": "" if is_top else ", ".join(link.name for link in node.links),
        "below": [_branch(plan, below, is_top=False) for below in branch.below],
    }


def _what_of(branch: Branch) -> str:
    node = branch.node
    if node.what is None:
        return translated("stays with its rows") if node.is_implied else translated("not declared")
    return str(WHAT_WORDS[node.what])


def _columns(values: dict[str, Any], *, of: What) -> str:
    return ", ".join(sorted(values)) if of is What.ANONYMISED else ""
