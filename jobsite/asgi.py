"""The ASGI application; refuses to start without a SECRET_KEY."""

import os

from django.core.asgi import get_asgi_application

from jobsite.secret_key import check_may_serve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")

# Each request has a thread of its own, so a connection that is kept would be used by nobody and closed by nobody.
os.environ.setdefault("CONN_MAX_AGE", "0")

check_may_serve()
application = get_asgi_application()
