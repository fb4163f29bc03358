"""What editors of the site do."""

from io import BytesIO

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from django.utils.timezone import now
from measure import delete_user
from persons import Person
from PIL import Image as Picture
from wagtail.admin.models import EditingSession, FormState
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.log_actions import log
from wagtail.models import (
    APIToken,
    Comment,
    CommentReply,
    GroupApprovalTask,
    Page,
    PageSubscription,
    Site,
    UploadedFile,
    Workflow,
    WorkflowTask,
)
from wagtail.users.models import UserProfile

delete = delete_user  # as users.views.users.DeleteView


def prepare() -> None:
    task = GroupApprovalTask.objects.create(name="Approve")
    WorkflowTask.objects.create(workflow=Workflow.objects.create(name="Two eyes"), task=task)


def sign_up(person: Person) -> None:
    user = User.objects.create_user(**person.columns, is_staff=True)
    UserProfile.objects.create(user=user)


def act(person: Person) -> None:
    user, home = User.objects.get(pk=person.pk), Site.objects.get().root_page
    page = home.add_child(instance=Page(title="News", slug=f"news-{person.pk % 7}", owner=user, live=False))
    comment = Comment(page=page, user=user, text="Ready?", contentpath="title")
    page.wagtail_admin_comments.add(comment)
    page.save_revision(user=user, log_action=True)
    comment.refresh_from_db()
    page.locked, page.locked_by = True, user
    page.save()
    Workflow.objects.get(name="Two eyes").start(page, user)
    PageSubscription.objects.create(user=user, page=page, comment_notifications=True)
    kind = ContentType.objects.get_for_model(Page)
    EditingSession.objects.create(user=user, content_type=kind, object_id=str(page.pk), last_seen_at=now())
    draft = {"content_type": kind, "object_id": str(page.pk), "data": "title=News", "last_updated_at": now()}
    FormState.objects.create(user=user, **draft)
    APIToken.objects.create(user=user, name="Laptop", key_hash=person.username, prefix="wag")
    UploadedFile.objects.create(uploaded_by_user=user, file=ContentFile(b"Half", name="half.txt"))
    content = BytesIO()
    Picture.new("RGB", (9, 9)).save(content, "PNG")
    image = Image(title="Lamp", file=ImageFile(content, name="lamp.png"), uploaded_by_user=user)
    image.save()
    image.tags.add("lamp")
    log(image, "wagtail.create", user=user)
    document = Document(title="Plan", file=ContentFile(b"Plan", name="plan.txt"), uploaded_by_user=user)
    document.save()
    document.tags.add("plan")
    LogEntry.objects.log_actions(user.pk, [page], CHANGE, single_object=True)


def meet(person: Person, other: Person) -> None:
    """Answer the other's comment, edit and reject their page, and change their account."""
    user, owner = User.objects.get(pk=person.pk), User.objects.get(pk=other.pk)
    page = Page.objects.get(owner=owner)
    CommentReply.objects.create(comment=page.wagtail_admin_comments.get(), user=user, text="Yes")
    page.title = "News of today"
    page.save_revision(user=user, log_action=True)
    page.current_workflow_state.current_task_state.reject(user=user)
    log(owner, "wagtail.edit", user=user)
