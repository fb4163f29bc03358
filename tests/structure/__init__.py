"""Tests that read the code instead of running it."""
