"""The peer in Django REST framework as a tutorial writes it: generic views, serializers, pages with a COUNT."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from rest_framework import exceptions, generics, permissions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from tests.benchmarks.peers.contract import BIGGEST_PAGE, digest_of
from tests.benchmarks.peers.models import ApiKey, Job, Project


class Holder:
    is_authenticated = True

    def __init__(self, key: ApiKey) -> None:
        self.organization_id = key.organization_id


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, ApiKey]:
        try:
            key = ApiKey.objects.get(digest=digest_of(request.headers.get("Authorization", "")))
        except ApiKey.DoesNotExist:
            raise exceptions.AuthenticationFailed from None
        return Holder(key), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Milliseconds(serializers.Field[datetime, int, int, datetime]):
    def to_representation(self, value: datetime) -> int:
        return int(value.timestamp() * 1000)


class JobSerializer(serializers.ModelSerializer[Job]):
    jobId = serializers.IntegerField(source="job_id")
    projectId = serializers.IntegerField(source="project_id")
    referenceId = serializers.CharField(source="reference_id")
    createdAt = Milliseconds(source="created_at")
    updatedAt = Milliseconds(source="updated_at")
    startAt = Milliseconds(source="start_at")

    class Meta:
        model = Job
        fields = (
            *("jobId", "description", "status", "projectId", "action", "referenceId"),
            *("createdAt", "updatedAt", "startAt", "errors"),
        )


class Pages(PageNumberPagination):
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = BIGGEST_PAGE

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"data": data})


class Jobs(generics.GenericAPIView[Job]):
    authentication_classes = (KeyAuthentication,)
    permission_classes = (permissions.IsAuthenticated,)
    serializer_class = JobSerializer
    pagination_class = Pages

    def get_queryset(self) -> QuerySet[Job]:
        organization = self.request.user.organization_id  # type: ignore[union-attr]
        project = get_object_or_404(Project, key=self.kwargs["project_key"], organization_id=organization)
        return Job.objects.filter(project=project).order_by("job_id")


class JobList(Jobs):
    def get(self, request: Request, project_key: str) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class JobDetail(Jobs):
    lookup_field = "job_id"

    def get(self, request: Request, project_key: str, job_id: int) -> Response:
        return Response({"data": self.get_serializer(self.get_object()).data})

    def delete(self, request: Request, project_key: str, job_id: int) -> Response:
        job = self.get_object()
        if job.status not in ("scheduled", "running"):
            raise exceptions.ValidationError("the job has ended")
        job.status = "cancelled"
        job.updated_at = timezone.now()
        job.save(update_fields=["status", "updated_at"])
        return Response({"data": self.get_serializer(job).data})


urlpatterns = [
    path("public/<str:project_key>/jobs", JobList.as_view()),
    path("public/<str:project_key>/jobs/<int:job_id>", JobDetail.as_view()),
]
