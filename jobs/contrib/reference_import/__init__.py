"""Take over the jobs of the reference service."""
