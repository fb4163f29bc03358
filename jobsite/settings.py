"""Settings of the reference host. What differs between machines comes from the environment, and only here.

``DATABASE_URL``
    ``postgres://user:password@host:port/name`` or ``sqlite:///path``; unset: ``var/db.sqlite3``.
``SECRET_KEY``
    At least 50 random characters, the same in every process; nothing is served without it (see ``site_key``).
``ALLOWED_HOSTS``, ``CSRF_TRUSTED_ORIGINS``
    Comma lists: ``jobs.example.com`` and, behind a proxy, ``https://jobs.example.com``.
``TRUST_PROXY``
    1: take ``X-Forwarded-Proto`` from the proxy, which must set or drop it on every request.
``INSECURE_HTTP``
    1: plain HTTP, without redirect, HSTS and secure cookies; for the demo and for development (default: ``DEBUG``).
``HSTS_SECONDS``
    How long browsers insist on HTTPS; default 30 days.
``CONN_MAX_AGE``
    Seconds a database connection is kept; default 600.
``DEBUG``
    1: Django's debug pages. Never where others can reach it.
``LOG_LEVEL``
    Default ``INFO``.
``DEMO_PROJECT_KEY``
    Set by ``manage.py demo``: the project that the landing page's examples name.
"""

import contextlib
from pathlib import Path

import dj_database_url

from .environment import flag, number, text, words

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = flag("DEBUG")
# Commands, checks, tests and type checkers work without a key: theirs lasts as long as their process.
# `check --deploy` refuses it for its prefix (security.W009), and jobsite.wsgi and jobsite.asgi refuse to serve with it.
SECRET_KEY = text("SECRET_KEY") or make_insecure_key()
ALLOWED_HOSTS = words("ALLOWED_HOSTS")
