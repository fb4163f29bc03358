"""Tests without processes, threads or real time."""
