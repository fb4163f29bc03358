"""What runs inside a worker process of another engine: our runtime there, one delivery, and Django Tasks."""
