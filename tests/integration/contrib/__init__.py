"""Tests of contrib."""
