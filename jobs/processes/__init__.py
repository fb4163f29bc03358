"""What the long-running processes share: threads, heartbeat, sweep and listener."""
