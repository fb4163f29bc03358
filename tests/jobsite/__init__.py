"""The reference host: settings, pages, demo, logs."""
