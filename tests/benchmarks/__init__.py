"""Benchmarks: programs that compare ``jobs`` with hand-written loops on the same machine at the same time."""
