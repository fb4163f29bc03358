"""Tests of services search."""
