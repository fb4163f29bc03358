"""The REST API, as integrators meet it."""
