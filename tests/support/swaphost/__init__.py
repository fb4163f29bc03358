"""A host whose projects are its own model, keyed by UUID: ``tests.settings_swapped``."""
