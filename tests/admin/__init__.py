"""The admin, seen through Django's test client."""
