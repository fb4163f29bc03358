"""What the long-running processes share: main loop, threads, heartbeat, maintenance, listener and releases."""
