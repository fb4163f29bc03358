"""A project with one column more than ``AbstractProject``, which refers to an older table."""

from django.db import models

from jobs.models import AbstractProject


class Region(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Project(AbstractProject):
    region = models.ForeignKey(Region, null=True, on_delete=models.SET_NULL)
