"""Tests of every engine that can run jobs, with real servers and processes."""
