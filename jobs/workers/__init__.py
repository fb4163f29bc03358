"""The processes that find due jobs: the worker runs them, the dispatcher sends them to an engine."""
