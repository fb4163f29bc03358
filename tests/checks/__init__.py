"""What is slow and needs more than the suite does – a browser, generators, other people's tools: ``make check``."""
