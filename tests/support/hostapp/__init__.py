"""The host app of the tests: models, and actions that run on them."""
