"""The tables of the benchmarks: those to erase from, and one of a host that has an engine alone."""

from typing import ClassVar

from django.db import models
from django.db.models.signals import post_delete, pre_delete


class Visit(models.Model):
    """A recorded visit. It is created without migrations, so it has no foreign key to tables that have some."""

    project_number = models.BigIntegerField()
    user_id = models.CharField(max_length=256)
    started_at = models.DateTimeField()
    duration = models.DurationField()
    country = models.CharField(max_length=2)
    page = models.CharField(max_length=200)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["project_number", "user_id", "id"], name="benchmarks_visit_of_user")]

    def __str__(self) -> str:
        return f"visit {self.pk}"


class Basket(models.Model):
    """A row with others that go with it, by a cascade that Django collects."""

    user_id = models.CharField(max_length=256, db_index=True)
    note = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"basket {self.pk}"


class Item(models.Model):
    basket = models.ForeignKey(Basket, on_delete=models.CASCADE)
    page = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"item {self.pk}"


class HeardBasket(models.Model):
    """A basket whose deletion is told to receivers of signals, as is that of its items."""

    user_id = models.CharField(max_length=256, db_index=True)
    note = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"basket {self.pk}"


class HeardItem(models.Model):
    basket = models.ForeignKey(HeardBasket, on_delete=models.CASCADE)
    page = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"item {self.pk}"


def hear(**_: object) -> None:
    """Do nothing, as a receiver."""


for heard in (HeardBasket, HeardItem):
    pre_delete.connect(hear, sender=heard)
    post_delete.connect(hear, sender=heard)


class BareJob(models.Model):
    """The job of a host that has an engine without ``jobs``."""

    status = models.CharField(max_length=9)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"bare job {self.pk}"
