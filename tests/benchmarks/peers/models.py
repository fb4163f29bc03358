"""The tables of ``rows``, for the peer that uses the ORM."""

from django.db import models


class Project(models.Model):
    id = models.IntegerField(primary_key=True)
    key = models.CharField(max_length=40, unique=True)
    organization_id = models.IntegerField()
    name = models.TextField()

    class Meta:
        managed = False
        db_table = "project"


class ApiKey(models.Model):
    id = models.IntegerField(primary_key=True)
    organization_id = models.IntegerField()
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        managed = False
        db_table = "api_key"


class Job(models.Model):
    job_id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, db_constraint=False)
    description = models.TextField()
    status = models.CharField(max_length=16)
    action = models.CharField(max_length=64)
    reference_id = models.CharField(max_length=256)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(null=True)
    start_at = models.DateTimeField()
    errors = models.TextField(null=True)  # noqa: DJ001 – null and not empty, as in the contract

    class Meta:
        managed = False
        db_table = "job"
