"""A host whose Project derives from ``AbstractProject`` and comes late to its app: ``tests.settings_derived``."""
