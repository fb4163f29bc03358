"""Tests with a real database: transactions, threads, short helper processes."""
