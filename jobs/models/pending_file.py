"""Files that an erase map has still to remove from their storage."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class PendingFile(models.Model):
    """A file of a row that was erased or anonymised; added in the transaction that did so, deleted with the file."""

    # No foreign key: if the job is deleted, its files are still to be removed.
    job_id = models.BigIntegerField()
    # The store of the receipt that counts it.
    store = models.TextField()
    # The label of the column, as ``shop.Photo.image``.
    field = models.TextField()
    # As the column had it: often personal data, and never in a log.
    name = models.TextField()
    noted_at = models.DateTimeField(db_default=Now())
    # When it may be tried next; a try first sets it to later, in case that it does not end.
    next_try_at = models.DateTimeField(db_default=Now())
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [
            models.Index(fields=["job_id", "id"], name="jobs_file_of_job"),
            models.Index(fields=["next_try_at"], name="jobs_file_next_try"),
        ]

    def __str__(self) -> str:
        return f"{self.field} {self.pk}"
