"""What a host may plug in."""
