"""What happens to an author of the wiki: articles stay, their history says no more who wrote what from where."""

from django.contrib.auth.models import User

from jobs.erasure import anonymise, erase, keep, subject

OF_THE_WIKI = "The wiki's; it does not say any more whose it was"

user = subject(
    "user",
    erase(User, by="email", across_projects=True),
    erase("admin.LogEntry"),
    erase("django_nyt.Settings"),
    erase("django_nyt.Subscription", via="settings"),
    erase("django_nyt.Notification", via="user"),
    erase("wiki_notifications.ArticleSubscription"),
    anonymise("wiki.ArticleRevision", via="user", user=None, ip_address=None, user_message=""),
    anonymise("wiki.RevisionPluginRevision", via="user", user=None, ip_address=None, user_message=""),
    anonymise("wiki_attachments.AttachmentRevision", via="user", user=None, ip_address=None, user_message=""),
    keep("wiki.Article", because=OF_THE_WIKI),
    keep("wiki.SimplePlugin", because=OF_THE_WIKI),
    keep("wiki.RevisionPlugin", because=OF_THE_WIKI),
    keep("wiki.ReusablePlugin", because=OF_THE_WIKI),
    keep("wiki_attachments.Attachment", because=OF_THE_WIKI),
    keep("wiki_images.ImageRevision", because=OF_THE_WIKI),
    keep("wiki.ArticleForObject", because=OF_THE_WIKI),
)

delete_user_data = user.erase_action("delete_user_data", description="Delete the user {reference_id}", public=True)
