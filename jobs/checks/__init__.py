"""System checks: what would make jobs unsafe or unreachable on this host. Importing this package registers them.

``docs/reference/checks.md`` lists them. Those that ask the database are tagged ``database`` and
run with ``--database``, and before each ``migrate``.
"""

from . import caches, databases, projects, settings, web

__all__ = ["caches", "databases", "projects", "settings", "web"]
