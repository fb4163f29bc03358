"""Reports that only read: health, overview, summaries, history, why a job waits."""
