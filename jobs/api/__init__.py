"""The REST API; ``jobs.api.urls`` is what a host includes."""
