"""What happens to an editor of the site."""

from cms.models import Page, PageContent
from django.contrib.auth.models import User

from jobs import JobContext
from jobs.erasure import erase, keep, step, subject

OF_THE_SITE = "The site's; it does not say any more who made it"


def clear_names(job: JobContext) -> None:
    """Remove the name from pages, which hold it as a text."""
    for user in User.objects.filter(email=job.reference_id):
        for model in (Page, PageContent):
            for column in ("created_by", "changed_by"):
                named = model._base_manager.filter(**{column: user.get_username()})
                job.update(f"{model._meta.label}.{column}", named, **{column: "erased"})


user = subject(
    "user",
    step(clear_names),
    erase(User, by="email", across_projects=True),
    erase("admin.LogEntry"),
    erase("cms.UserSettings"),
    erase("cms.PageUser"),
    erase("cms.PagePermission"),
    erase("cms.GlobalPagePermission"),
    keep("cms.PageUserGroup", because=OF_THE_SITE),
    keep("cms.Placeholder", because=OF_THE_SITE),
    keep("cms.Page", because=OF_THE_SITE),
    keep("cms.PageContent", because=OF_THE_SITE),
)

delete_user_data = user.erase_action("delete_user_data", description="Delete the user {reference_id}", public=True)
