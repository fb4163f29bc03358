"""Tests of services commands."""
