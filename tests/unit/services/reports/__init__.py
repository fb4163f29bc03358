"""Tests of services reports."""
