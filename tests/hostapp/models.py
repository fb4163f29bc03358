"""Models of the host app."""
