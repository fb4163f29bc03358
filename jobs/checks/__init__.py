"""The system checks: settings and models with which jobs would be unsafe or unreachable. Importing registers them.

``docs/reference/checks.md`` lists them. Those that query the database are tagged ``database`` and
run with ``--database``, and before each ``migrate``.
"""

from . import caches, databases, erasure, projects, settings, web

__all__ = ["caches", "databases", "erasure", "projects", "settings", "web"]
