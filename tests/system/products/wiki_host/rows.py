"""What authors of the wiki do."""

from io import BytesIO

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from django_nyt.models import Notification, NotificationType, Settings, Subscription
from measure import delete_user
from persons import Person
from PIL import Image as Picture
from wiki.models import ArticleRevision, URLPath
from wiki.plugins.attachments.models import Attachment, AttachmentRevision
from wiki.plugins.images.models import Image, ImageRevision
from wiki.plugins.notifications.models import ArticleSubscription

delete = delete_user


def prepare() -> None:
    URLPath.create_root(title="Start", content="Start")
    kind = ContentType.objects.get(app_label="wiki", model="article")
    NotificationType.objects.create(key="article_edit", label="Edited", content_type=kind)


def sign_up(person: Person) -> None:
    User.objects.create_user(**person.columns, is_staff=True)


def act(person: Person) -> None:
    user = User.objects.get(pk=person.pk)
    wrote = {"user": user, "ip_address": person.ip_address, "user_message": "First"}
    path = URLPath.create_urlpath(
        URLPath.root(),
        f"lamps-{person.pk % 7}",
        title="Lamps",
        content="Of lamps",
        article_kwargs={"owner": user},
        **wrote,
    )
    attachment = Attachment.objects.create(article=path.article, original_filename="plan.txt")
    attachment.articles.add(path.article)
    AttachmentRevision.objects.create(attachment=attachment, file=ContentFile(b"Plan", name="plan.txt"), **wrote)
    content = BytesIO()
    Picture.new("RGB", (9, 9)).save(content, "PNG")
    image = Image(article=path.article)
    image.add_revision(ImageRevision(image=ImageFile(content, name="lamp.png"), **wrote), save=True)
    settings = Settings.objects.create(user=user, interval=0, is_default=True)
    kind = NotificationType.objects.get(key="article_edit")
    subscription = Subscription.objects.create(settings=settings, notification_type=kind, object_id=path.article.pk)
    ArticleSubscription.objects.create(subscription=subscription, article=path.article)
    Notification.objects.create(user=user, subscription=subscription, message="Edited")
    LogEntry.objects.log_actions(user.pk, [path], CHANGE, single_object=True)


def meet(person: Person, other: Person) -> None:
    """Edit the other's article."""
    article = URLPath.objects.get(article__owner=other.pk).article
    edited = ArticleRevision(title="Lamps", content="Of good lamps", ip_address=person.ip_address)
    edited.inherit_predecessor(article)
    edited.user = User.objects.get(pk=person.pk)
    article.add_revision(edited)
