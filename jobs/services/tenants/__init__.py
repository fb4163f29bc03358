"""Organizations, projects, API keys and staff roles."""
