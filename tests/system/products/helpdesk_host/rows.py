"""What users of the helpdesk do."""

from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from helpdesk.models import (
    Checklist,
    CustomField,
    KBCategory,
    KBItem,
    Queue,
    SavedSearch,
    Ticket,
    TicketCC,
    TicketCustomFieldValue,
    TicketDependency,
)
from helpdesk.update_ticket import update_ticket
from measure import delete_user
from persons import Person

delete = delete_user


def prepare() -> None:
    """Make what belongs to nobody."""
    Queue.objects.create(title="Support", slug="support", allow_email_submission=True, email_address="help@example.org")
    KBCategory.objects.create(name="Start", title="Start", slug="start", description="First")
    CustomField.objects.create(name="floor", label="Floor", data_type="varchar", max_length=9)


def sign_up(person: Person) -> None:
    User.objects.create_user(**person.columns, is_staff=True)


def act(person: Person) -> None:
    user, queue = User.objects.get(pk=person.pk), Queue.objects.get(slug="support")
    SavedSearch.objects.create(user=user, title="Mine", query="e30=")
    own_queue = Queue.objects.create(title=f"Queue {person.pk % 7}", slug=f"q{person.pk % 7}", default_owner=user)
    sent = Ticket.objects.create(title="No light", queue=queue, submitter_email=person.email)
    taken = Ticket.objects.create(title="No heat", queue=own_queue, submitter_email="guest@example.org")
    note = SimpleUploadedFile("note.txt", b"On its way")
    update_ticket(user, taken, owner=user.pk, comment="I come", files=[note], public=True, priority=1)
    TicketCustomFieldValue.objects.create(ticket=taken, field=CustomField.objects.get(), value="2")
    TicketDependency.objects.create(ticket=taken, depends_on=sent)
    Checklist.objects.create(ticket=taken, name="Tools").tasks.create(description="Key", position=1)
    item = KBItem.objects.create(category=KBCategory.objects.get(), title="Lamps", question="?", answer="!", team=user)
    item.voted_by.add(user)
    LogEntry.objects.log_actions(user.pk, [item], ADDITION, single_object=True)


def meet(person: Person, other: Person) -> None:
    """Answer the other's ticket, follow it, vote."""
    user = User.objects.get(pk=person.pk)
    sent = Ticket.objects.get(submitter_email=other.email)
    TicketCC.objects.create(ticket=sent, email=person.email)
    update_ticket(user, sent, owner=other.pk, comment="Please take it", public=True)
    for item in KBItem.objects.filter(team=other.pk):
        item.downvoted_by.add(user)
