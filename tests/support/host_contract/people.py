"""Inserts sessions of two users, or prints whose are left: ``people.py SETTINGS record PROJECT_KEY|left``."""

import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = sys.argv[1]
django.setup()

from shop.models import Session, SessionEvent  # noqa: E402 – only now can models be imported

from jobs import get_project_model  # noqa: E402

if sys.argv[2] == "record":
    project = get_project_model()._default_manager.get(key=sys.argv[3])
    for user, count in (("mehdi@example.com", 3), ("shekar@example.com", 2)):
        for _ in range(count):
            session = Session.objects.create(project=project, user_id=user)
            SessionEvent.objects.create(session=session)
else:
    print(",".join(sorted(Session.objects.values_list("user_id", flat=True))), SessionEvent.objects.count())
