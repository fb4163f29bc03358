"""The WSGI application of the peers in Django REST framework."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
