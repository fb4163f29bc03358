"""What happens to a user of the helpdesk, who answers tickets, and may have sent some by e-mail."""

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from helpdesk.models import (
    Checklist,
    FollowUp,
    FollowUpAttachment,
    KBItem,
    Queue,
    SavedSearch,
    Ticket,
    TicketCC,
    TicketChange,
    TicketCustomFieldValue,
    TicketDependency,
    UserSettings,
)

from jobs import JobContext
from jobs.erasure import anonymise, erase, keep, step, subject

OF_THE_TICKET = "Part of the ticket, which is not this user's"


def clear_addresses(job: JobContext) -> None:
    """Remove the address where no key leads to: from the tickets that were sent from it, and from lists in JSON."""
    email = job.reference_id
    job.update("helpdesk.sent_tickets", Ticket.objects.filter(submitter_email=email), submitter_email=None)
    notified = FollowUp.objects.filter(email_recipients__icontains=f'"{email}"')
    job.update("helpdesk.notified", notified, email_recipients=None)


def clear_names(job: JobContext) -> None:
    """Remove the name from what the helpdesk has written into the history of tickets."""
    for user in User.objects.filter(email=job.reference_id):
        name = user.get_username()
        titles = FollowUp.objects.filter(title__contains=name)
        job.update("helpdesk.titles", titles, title="Assigned")
        job.update("helpdesk.old_owners", TicketChange.objects.filter(old_value=name), old_value="erased")
        job.update("helpdesk.new_owners", TicketChange.objects.filter(new_value=name), new_value="erased")


user = subject(
    "user",
    step(clear_addresses),
    step(clear_names),
    erase(User, by="email", across_projects=True),
    erase(UserSettings),
    erase(SavedSearch),
    erase(LogEntry),
    erase(TicketCC, by="email", across_projects=True),
    erase(FollowUp),
    erase(FollowUpAttachment),
    erase(TicketChange),
    anonymise(Ticket, assigned_to=None),
    keep(Checklist, because=OF_THE_TICKET),
    keep(TicketCustomFieldValue, because=OF_THE_TICKET),
    keep(TicketDependency, because=OF_THE_TICKET),
    keep(Queue, because="The company's; it loses its default owner"),
    keep("helpdesk.IgnoreEmail", because="Senders that the company ignores"),
    keep(KBItem, because="The company's; it loses its team"),
)

delete_user_data = user.erase_action("delete_user_data", description="Delete the user {reference_id}", public=True)
