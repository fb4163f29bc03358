"""What a host may plug in, and what nothing else here needs."""
