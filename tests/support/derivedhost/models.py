"""A project with a column more than ``jobs`` gives it, and a table that was there before it."""

from django.db import models

from jobs.models import AbstractProject


class Region(models.Model):
    """Where a project's data is kept."""

    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Project(AbstractProject):
    """This host's project."""

    region = models.ForeignKey(Region, null=True, on_delete=models.SET_NULL)
