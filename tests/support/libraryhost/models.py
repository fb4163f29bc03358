"""Models as libraries make them, and models whose base managers hide rows."""

from typing import Any

from auditlog.registry import auditlog
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from model_utils.models import SoftDeletableModel
from mptt.models import MPTTModel, TreeForeignKey
from polymorphic.models import PolymorphicModel
from safedelete.models import SafeDeleteModel
from simple_history.models import HistoricalRecords
from storages.backends.ftp import FTPStorage


class Owned(models.Model):
    owner = models.CharField(max_length=256)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.model_name} {self.pk}"


class SafeDoc(Owned, SafeDeleteModel):
    pass


class SafePage(SafeDeleteModel):
    doc = models.ForeignKey(SafeDoc, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"page {self.pk}"


class SoftNote(Owned, SoftDeletableModel):
    pass


class Tracked(Owned):
    history = HistoricalRecords()


class Audited(Owned):
    pass


class Shape(Owned, PolymorphicModel):
    pass


class Circle(Shape):
    radius = models.IntegerField(default=1)


class Folder(Owned, MPTTModel):
    parent = TreeForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")


class Upload(Owned):
    file = models.FileField(storage=FTPStorage(location="ftp://nobody:nothing@127.0.0.1:1/"))


class Visible(models.Manager[Any]):
    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(is_removed=False)


class Hidable(models.Model):
    is_removed = models.BooleanField(default=False)

    objects = Visible()
    all_rows = models.Manager()  # noqa: DJ012 – a manager, which the rule takes for a field

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"{self._meta.model_name} {self.pk}"


class Tag(Hidable):
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.BigIntegerField()
    target = GenericForeignKey()

    class Meta(Hidable.Meta):
        pass


class Post(Owned):
    """What rows of several kinds refer to, which their base manager hides."""

    tags = GenericRelation(Tag)


class Comment(Hidable):
    post = models.ForeignKey(Post, on_delete=models.CASCADE)

    class Meta(Hidable.Meta):
        pass


class Mention(Hidable):
    post = models.ForeignKey(Post, null=True, on_delete=models.SET_NULL)

    class Meta(Hidable.Meta):
        pass


class Pin(Hidable):
    post = models.ForeignKey(Post, on_delete=models.PROTECT)

    class Meta(Hidable.Meta):
        pass


class Person(Owned, Hidable):
    """A parent in a table of its own."""

    class Meta(Hidable.Meta):
        pass


class Member(Person):
    post = models.ForeignKey(Post, null=True, on_delete=models.CASCADE)

    class Meta(Hidable.Meta):
        pass


auditlog.register(Audited)
