"""What all views of this app that programs call have in common."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction
from django.views.decorators.common import no_append_slash

View = Callable[..., Any]


def public(view: View) -> View:
    """Keep the host's middleware and settings off a view: no login page, no redirect to a slash, no transaction.

    A login by ``LoginRequiredMiddleware`` is a page for people; ``ATOMIC_REQUESTS`` would open the
    database before the view does.
    """
    view = login_not_required(no_append_slash(view))
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view
