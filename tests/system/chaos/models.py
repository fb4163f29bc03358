"""The rows that jobs of a run work on, and the ledger of what they did."""

from django.db import models


class Item(models.Model):
    owner = models.CharField(max_length=256, db_index=True)

    def __str__(self) -> str:
        return f"item {self.pk}"


class MarkingQuerySet(models.QuerySet["Note"]):
    """The queryset of a host that deletes softly."""

    def delete(self) -> tuple[int, dict[str, int]]:
        marked = self.update(is_deleted=True)
        return marked, {self.model._meta.label: marked}


class Note(models.Model):
    """A row of a host whose ``delete()`` only marks."""

    owner = models.CharField(max_length=256, db_index=True)
    is_deleted = models.BooleanField(default=False)
    objects = MarkingQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"note {self.pk}"


class Effect(models.Model):
    """One line of the append-only ledger, written in the chunk that removes the item."""

    job_id = models.BigIntegerField(db_index=True)
    item = models.BigIntegerField()
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"effect {self.pk}"
