"""What happens to an editor of the site: what they have made for it stays, without their name."""

from typing import Any

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from wagtail.models import ModelLogEntry, ReferenceIndex, Revision

from jobs import JobContext
from jobs.erasure import anonymise, erase, keep, step, subject

OF_THE_SITE = "The site's; it does not say any more who made it"

# Where the JSON of a revision has the key of a user.
USER_KEYS = ("owner", "locked_by", "resolved_by")


def clear_copies(job: JobContext) -> None:
    """Remove the user's key where no key leads to: from the index of references, logs of the account, revisions."""
    kind = ContentType.objects.get_for_model(User)
    for user in User.objects.filter(email=job.reference_id):
        key = str(user.pk)
        job.erase("wagtailcore.ReferenceIndex", ReferenceIndex.objects.filter(to_content_type=kind, to_object_id=key))
        about = ModelLogEntry.objects.filter(content_type=kind, object_id=key)
        job.update("wagtailcore.ModelLogEntry about the user", about, object_id="erased", label="erased", data={})
        with job.chunk() as chunk:
            for revision in Revision.objects.filter(content__icontains=key):
                Revision.objects.filter(pk=revision.pk).update(content=without(revision.content, user.pk))
                chunk.add("wagtailcore.Revision content", 1)


def without(value: Any, user: int) -> Any:
    """Return the JSON of a revision without a user's comments, and without their key."""
    if isinstance(value, dict):
        return {
            name: None if name in USER_KEYS and each == user else without(each, user) for name, each in value.items()
        }
    if isinstance(value, list):
        return [without(each, user) for each in value if not (isinstance(each, dict) and each.get("user") == user)]
    return value


user = subject(
    "user",
    step(clear_copies),
    erase(User, by="email", across_projects=True),
    erase("admin.LogEntry"),
    erase("wagtailusers.UserProfile"),
    erase("wagtailcore.APIToken"),
    erase("wagtailadmin.EditingSession"),
    erase("wagtailadmin.FormState"),
    erase("wagtailcore.PageSubscription"),
    erase("wagtailcore.Comment", via="user"),
    erase("wagtailcore.CommentReply"),
    erase("wagtailcore.UploadedFile"),
    anonymise("wagtailcore.PageLogEntry", user=None),
    anonymise("wagtailcore.ModelLogEntry", user=None),
    keep("wagtailcore.Page", because=OF_THE_SITE),
    keep("wagtailcore.Revision", because=OF_THE_SITE),
    keep("wagtailcore.WorkflowState", because=OF_THE_SITE),
    keep("wagtailcore.TaskState", because=OF_THE_SITE),
    keep("wagtailimages.Image", because=OF_THE_SITE),
    keep("wagtaildocs.Document", because=OF_THE_SITE),
    keep("taggit.TaggedItem", because=OF_THE_SITE),
    keep("wagtailsearch.IndexEntry", because=OF_THE_SITE),
)

delete_user_data = user.erase_action("delete_user_data", description="Delete the user {reference_id}", public=True)
