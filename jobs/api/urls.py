"""The routes, below a prefix that the host chooses: ``path("public/", include("jobs.api.urls"))``.

No path ends with a slash, and none redirects to one that does.
"""

from django.urls import path, re_path

from .docs import guide, reference
from .openapi import document
from .views import BatchViewSet, JobViewSet, KeyViewSet, PreviewViewSet, UserViewSet

app_name = "jobs_api"

# Tried in order, so what is asked for most comes first. Every route of a project has a second segment that no other
# route has, so a project with the key "me" or "docs" is reachable.
urlpatterns = [
    path("<str:project_key>/jobs", JobViewSet.as_view({"get": "list", "post": "create"}), name="jobs"),
    # Before the jobs by id: "batch" and "preview" are no ids.
    path("<str:project_key>/jobs/batch", BatchViewSet.as_view({"post": "create"}), name="batch"),
    path("<str:project_key>/jobs/preview", PreviewViewSet.as_view({"post": "create"}), name="preview"),
    path(
        "<str:project_key>/jobs/<str:job_id>", JobViewSet.as_view({"get": "retrieve", "delete": "destroy"}), name="job"
    ),
    # The rest of the path, also with slashes or line breaks, or empty: a wrong id gets a 400 that says why, not a 404.
    re_path(
        r"^(?P<project_key>[^/]+)/users/(?P<user_id>[\s\S]*)\Z", UserViewSet.as_view({"delete": "destroy"}), name="user"
    ),
    path("me", KeyViewSet.as_view({"get": "retrieve"}), name="me"),
    path("openapi.json", document, name="openapi"),
    path("docs", guide, name="docs"),
    path("docs/reference", reference, name="reference"),
]
