"""The models of the host app."""

from django.db import models


class Recording(models.Model):
    """A user's row that rows of another table refer to: deleting it cascades."""

    owner = models.CharField(max_length=256, db_index=True)
    payload = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"recording {self.pk}"


class Click(models.Model):
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="clicks")

    def __str__(self) -> str:
        return f"click {self.pk}"


class Visit(models.Model):
    owner = models.CharField(max_length=256, db_index=True)

    def __str__(self) -> str:
        return f"visit {self.pk}"


class Ledger(models.Model):
    """A row for each thing that an action did, inserted in its chunk: one too many is an error of the engine."""

    job_id = models.BigIntegerField(db_index=True)
    what = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"line {self.pk}"


class Invoice(models.Model):
    """The rows that the second action of the README archives."""

    year = models.CharField(max_length=4)
    archived = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"invoice {self.pk}"


class Album(models.Model):
    """A row with others that go with it on two levels; those of the first name it by its code, not by its key."""

    owner = models.CharField(max_length=256)
    code = models.CharField(max_length=20, unique=True)

    def __str__(self) -> str:
        return f"album {self.pk}"


class Photo(models.Model):
    album = models.ForeignKey(Album, on_delete=models.CASCADE, to_field="code", related_name="photos")
    place = models.CharField(max_length=20, blank=True)

    def __str__(self) -> str:
        return f"photo {self.pk}"


class Face(models.Model):
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="faces")

    def __str__(self) -> str:
        return f"face {self.pk}"


class Upload(models.Model):
    """A row with files of a user; two columns have one storage."""

    owner = models.CharField(max_length=256)
    file = models.FileField(blank=True)
    cover = models.FileField(null=True, blank=True)

    def __str__(self) -> str:
        return f"upload {self.pk}"
