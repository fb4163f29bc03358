"""A host whose Project derives from ``AbstractProject``, in its second migration: ``tests.settings_derived``."""
