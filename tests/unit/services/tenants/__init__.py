"""Tests of services tenants."""
