"""The settings of the reference host. Values that differ between machines are read from the environment, only here.

``DATABASE_URL``
    ``postgres://user:password@host:port/name`` or ``sqlite:///path``; unset: ``var/db.sqlite3``.
``SECRET_KEY``
    At least 50 random characters, the same in every process; without it nothing is served.
``ALLOWED_HOSTS``, ``CSRF_TRUSTED_ORIGINS``
    Comma lists: ``jobs.example.com``, and behind a proxy ``https://jobs.example.com``.
``TRUST_PROXY``
    1: believe ``X-Forwarded-Proto``; the proxy must set or drop it on every request.
``INSECURE_HTTP``
    1: plain HTTP, that is no redirect, no HSTS, cookies that travel in the clear. For the demo
    and for development; default: as ``DEBUG``.
``HSTS_SECONDS``
    How long browsers insist on HTTPS; default 30 days.
``CONN_MAX_AGE``
    Seconds that a database connection is kept; default 600, under ASGI 0.
``DEBUG``
    1: Django's debug pages; never where others can reach them.
``CACHE_URL``
    ``redis://[user:password@]host:port/number`` (``rediss://`` with TLS): where all processes count requests and
    failed logins and keep the sessions of staff; unset: each counts for itself, and sessions are in the database.
``TRUSTED_PROXIES``
    How many proxies add to ``X-Forwarded-For``; default 0: the header is not believed.
``BROKER_URL``
    ``amqp://user:password@host:port/vhost``: RabbitMQ, over which ``manage.py jobdispatcher`` hands due jobs to
    ``celery --app jobsite worker``; unset: there is no dispatcher, and ``jobworker`` runs all.
``BROKER_PREFIX``
    What the names of our queues there begin with, where several sites share a broker.
``RETENTION_DAYS``
    For how many days ``prunejobs`` leaves jobs that have ended as they are; default 0: for ever.
``LOG_LEVEL``
    Default ``INFO``.
``STATIC_ROOT``
    Where ``collectstatic`` puts files, for a proxy that serves them itself.
``DEMO_PROJECT_KEY``
    Set by ``manage.py demo``: the project that the examples of the landing page name.
"""

from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobsite.environment import flag, number, text, words
from jobsite.secret_key import make_insecure_key

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

DEBUG = flag("DEBUG")
# Without one, commands, checks and tests use a random key. Nobody serves with it: `check --deploy` reports it, and
# jobsite.wsgi and jobsite.asgi refuse to start.
SECRET_KEY = text("SECRET_KEY") or make_insecure_key()
ALLOWED_HOSTS = words("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")
DEMO_PROJECT_KEY = text("DEMO_PROJECT_KEY")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular_sidecar",  # the files of the API's documentation page
    "jobs",
    "jobsite",
]
MIDDLEWARE = [
    "jobsite.middleware.HeadWithoutBody",
    "jobs.middleware.JsonErrors",  # before all that answer, so that it sees what they do
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "jobsite.middleware.ContentSecurityPolicy",
    "jobsite.middleware.PageSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "jobsite.middleware.PageLogins",
    "jobsite.middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "jobsite.urls"
API_PREFIX = "public/"
WSGI_APPLICATION = "jobsite.wsgi.application"
ASGI_APPLICATION = "jobsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The database.

# WAL lets readers and one writer work side by side; IMMEDIATE takes the write lock where the transaction starts, as
# a transaction that reads first and writes later fails at once when another has written in between, whatever the
# timeout. synchronous=NORMAL cannot corrupt a database in WAL mode; a power cut may take back the last commits.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}


# The loss of the database host is noticed within a minute, not after the hours that TCP waits by default.
POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def _database(url: str) -> dict[str, Any]:
    """Return Django's settings for ``url``; options in its query override ours."""
    parsed = dj_database_url.parse(
        url,
        conn_max_age=number("CONN_MAX_AGE", 600),
        conn_health_checks=True,
        disable_server_side_cursors=True,  # they do not work with a pooler of transactions
    )
    database: dict[str, Any] = {**parsed}
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = {**SQLITE_OPTIONS, **database.get("OPTIONS", {})}
    elif database["ENGINE"] == "django.db.backends.postgresql":
        database["OPTIONS"] = {**POSTGRESQL_OPTIONS, **database.get("OPTIONS", {})}
    return database


if not text("DATABASE_URL"):
    VAR_DIR.mkdir(exist_ok=True)
DATABASES = {"default": _database(text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
JOBS_PROJECT_MODEL = "jobs.Project"

# The cache counts requests and failed logins; one that all processes share has the sessions of staff, too.


def _cache(url: str) -> dict[str, Any]:
    """Return Django's settings for ``url``; requests do not wait for a server that does not answer."""
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if not url.startswith(("redis://", "rediss://")):
        raise ImproperlyConfigured("CACHE_URL must start with redis:// or rediss://")
    options = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}
    return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url, "OPTIONS": options}


CACHES = {"default": _cache(text("CACHE_URL"))}
# A restore of the database brings no session back that was ended since.
SESSION_ENGINE = f"django.contrib.sessions.backends.{'cache' if text('CACHE_URL') else 'db'}"
JOBS: dict[str, Any] = {
    "TRUSTED_PROXIES": number("TRUSTED_PROXIES", 0),
    "RETENTION_DAYS": number("RETENTION_DAYS", 0) or None,
}

# The engine, if a broker is set.

if text("BROKER_URL"):
    JOBS["TASK_BACKEND"] = "default"
    TASKS = {
        "default": {
            "BACKEND": "jobs.contrib.celery.CeleryBackend",
            "QUEUES": [],
            "OPTIONS": {"app": "jobsite.celery.app", "queue_prefix": text("BROKER_PREFIX")},
        }
    }
    CELERY_BROKER_URL = text("BROKER_URL")
    CELERY_TASK_DEFAULT_QUEUE = f"{text('BROKER_PREFIX')}default"
    CELERY_TASK_QUEUE_MAX_PRIORITY = 10
    CELERY_WORKER_PREFETCH_MULTIPLIER = 1
    CELERY_BROKER_CONNECTION_MAX_RETRIES = None
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # so that its lines are formatted and masked like all others

# Safety.

INSECURE_HTTP = flag("INSECURE_HTTP", default=DEBUG)
SECURE_SSL_REDIRECT = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz)$"]  # probes come from within, over plain HTTP, and follow no redirect
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else number("HSTS_SECONDS", 30 * 24 * 3600)
SESSION_COOKIE_SECURE = not INSECURE_HTTP
CSRF_COOKIE_SECURE = not INSECURE_HTTP
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if flag("TRUST_PROXY") else None
# HSTS for subdomains, and browsers' preload lists, concern a whole domain, not only this site.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 12 * 3600
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Language, time, files, logs.

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True
DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"

STATIC_URL = "static/"
# Files are served from where the apps keep them; only a proxy that serves them itself needs `collectstatic`.
WHITENOISE_USE_FINDERS = True
STATIC_ROOT = text("STATIC_ROOT") or None

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "jobs.logging.RequestId"},
        "mask": {"()": "jobs.logging.MaskReferences"},
    },
    "formatters": {
        "line": {
            "()": "jobsite.logs.OneLine",
            "format": "{asctime}Z {levelname} {name} request={request_id} {message}",
            "style": "{",
        },
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id", "mask"]},
    },
    "root": {"handlers": ["stderr"], "level": text("LOG_LEVEL", "INFO")},
    # Without the handlers that Django gives these two, so that all lines are filtered.
    "loggers": {
        "django": {"handlers": [], "level": "NOTSET", "propagate": True},
        "django.server": {"handlers": [], "level": "NOTSET", "propagate": True},
    },
}
