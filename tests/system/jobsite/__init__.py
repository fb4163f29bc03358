"""Tests of jobsite."""
