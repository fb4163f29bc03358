"""A host that erases files by a map; its process kills itself, or hangs, at a failpoint that is in its environment."""
