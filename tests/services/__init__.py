"""The use cases, through the services alone."""
