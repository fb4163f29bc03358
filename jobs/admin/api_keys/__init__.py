"""The admin pages of API keys."""
