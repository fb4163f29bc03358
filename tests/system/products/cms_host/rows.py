"""What editors of the site do."""

from cms.api import create_page
from cms.models import GlobalPagePermission, PagePermission, PageUser, PageUserGroup, UserSettings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from measure import delete_user
from persons import Person

delete = delete_user


def prepare() -> None:
    User.objects.create_superuser("staff", "staff@example.org")


def sign_up(person: Person) -> None:
    PageUser.objects.create(**person.columns, is_staff=True, created_by=User.objects.get(username="staff"))


def act(person: Person) -> None:
    user = User.objects.get(pk=person.pk)
    page = create_page("News", "page.html", "en", slug=f"news-{person.pk % 7}", created_by=user)
    UserSettings.objects.create(user=user, language="en")
    PagePermission.objects.create(user=user, page=page)
    GlobalPagePermission.objects.create(user=user)
    PageUserGroup.objects.create(name=f"Editors {person.pk % 7}", created_by=user)
    LogEntry.objects.log_actions(user.pk, [page], CHANGE, single_object=True)


def meet(person: Person, other: Person) -> None:
    """Make an account for a third person of the other's group."""
    third = f"third.{person.pk % 7}"
    PageUser.objects.create(username=third, created_by=User.objects.get(pk=person.pk))
