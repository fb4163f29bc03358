"""A host whose Project derives from ``AbstractProject``, and is not in its first migration: ``tests.settings_derived``."""
