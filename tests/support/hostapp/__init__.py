"""A host app: models and actions that tests run jobs on."""
