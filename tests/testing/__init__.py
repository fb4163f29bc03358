"""What ``jobs.testing`` offers to host projects."""
