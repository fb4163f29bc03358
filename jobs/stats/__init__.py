"""Counts that are stored beside the jobs: ended jobs by five minutes, and all jobs by block of ids."""
