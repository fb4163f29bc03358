"""Counts that are kept beside the jobs: statistics by action, and jobs by block of ids."""
