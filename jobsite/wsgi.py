"""The WSGI application; refuses to start without a SECRET_KEY."""

import os

from django.core.wsgi import get_wsgi_application

from jobsite.secret_key import check_may_serve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")

check_may_serve()
application = get_wsgi_application()
