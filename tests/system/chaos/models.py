"""The rows that jobs of a run work on, and the ledger of what they did."""

from django.db import models


class Item(models.Model):
    owner = models.CharField(max_length=256, db_index=True)

    def __str__(self) -> str:
        return f"item {self.pk}"


class Effect(models.Model):
    """One line of the append-only ledger, written in the chunk that removes the item."""

    job_id = models.BigIntegerField(db_index=True)
    item = models.BigIntegerField()
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"effect {self.pk}"
