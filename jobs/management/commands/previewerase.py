"""``manage.py previewerase``: counts what an erase would do, and changes nothing."""

from argparse import ArgumentParser
from typing import Any

from ...erasure.declaration import What
from ...services.commands.preview import request_preview
from ...services.commands.schedule import NewJob
from ...services.reports.erase_preview import ErasePreview, StorePreview
from ...services.tenants.projects import get_project_by_key
from ..base import JobsCommand

WORDS = {
    What.ERASED: "would be erased",
    What.ANONYMISED: "would be anonymised",
    What.KEPT: "would be kept",
    What.SET_NULL: "would be set to NULL",
}


class Command(JobsCommand):
    help = "Counts what an erase of one person would do, in each store, and changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("reference", help="the person, as a job's referenceId names them")
        parser.add_argument("--project", required=True, help="the key of the project")
        parser.add_argument("--action", default="delete_user_data", help="an action that erases by a map")
        self.add_json_option(parser)

    def handle(self, *, reference: str, project: str, action: str, **_: Any) -> None:
        asked = NewJob(action=action, reference_id=reference)
        found = request_preview(asked, project=get_project_by_key(project))
        self.show(_members(found), _text(found))


def _members(found: ErasePreview) -> dict[str, Any]:
    return {
        "plan": found.plan,
        "foundNothing": found.found_nothing,
        "refusedBy": found.refused_by,
        "stores": [
            {"store": store.name, "what": store.what, "because": store.because or None}
            | {"rows": store.rows, "atLeast": store.is_at_least}
            for store in found.stores
        ],
    }


def _text(found: ErasePreview) -> str:
    lines = [f"{store.name}: {_told(store)}" for store in found.stores]
    if found.refused_by:
        lines.append(
            f"Such a job would fail: rows of {found.refused_by} that must stay, or of another project, would go, too."
        )
    if found.found_nothing:
        lines.append("Nothing was found of this person.")
    return "\n".join([*lines, f"Plan {found.plan}. Nothing was changed."])


def _told(store: StorePreview) -> str:
    if store.what is What.REMOVED:
        return "files of these rows would be removed"
    if store.rows is None:
        return "a function of the host's would be called"
    reason = f" ({store.because})" if store.because else ""
    return f"{'at least ' if store.is_at_least else ''}{store.rows:,} {WORDS[store.what]}{reason}"
