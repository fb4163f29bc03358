"""How gunicorn serves the site: ``gunicorn --config python:jobsite.gunicorn_conf jobsite.wsgi``.

Every option can be overridden on gunicorn's command line or in ``GUNICORN_CMD_ARGS``.

A proxy in front of it writes its own logs. They must not have the path of
``/public/{projectKey}/users/{userId}`` – the last segment is usually an e-mail address –, nor any
query (``?referenceId=…``), nor the header ``Authorization``. With nginx::

    map $uri $route { ~^(?<head>/public/[^/]+/users/) "${head}***"; default $uri; }
    log_format route '$time_iso8601 $request_method $route $status $body_bytes_sent $request_time';
    access_log /var/log/nginx/access.log route;

A proxy must also set or drop ``X-Forwarded-Proto`` (see ``TRUST_PROXY`` in the settings).
"""

import logging
import os
import sys
from typing import Any

# gunicorn reads this file, and makes its logger, before it imports the site.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")

# Threads, as almost all time is spent waiting for the database; each keeps a connection of its own.
worker_class = "gthread"
threads = 8
# A thread that computes, as for a batch of 1,000 jobs, lets the others go on after half a millisecond instead of five:
# each of their statements would have to wait for it once.
sys.setswitchinterval(0.0005)
# Longer than a cancel waits for a running chunk, with room.
timeout = 30
graceful_timeout = 8
# Longer than proxies and pooled clients keep an idle connection (nginx, AWS: 60 s): the side that reuses a connection
# must be the one that closes it, or a request meets a closed one. An idle connection takes no thread.
keepalive = 75

# The settings say which proxies are believed (TRUST_PROXY, TRUSTED_PROXIES). By default gunicorn believes whoever
# connects from 127.0.0.1 or by a Unix socket: X-Forwarded-Proto, and SCRIPT_NAME, which changes the path of the site.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""

accesslog = "-"
logger_class = "jobsite.access_log.RouteLogger"
access_log_format = "%(time)s access %(m)s %(route)s %(s)s %(B)s bytes %(M)s ms request=%({x-request-id}o)s"

# A socket in the user's home that nothing here needs, and that two servers cannot share.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Log each request once: those that Django refuses are in the access log, with their status."""
    logging.getLogger("django.request").setLevel(logging.ERROR)
