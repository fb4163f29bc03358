"""The use cases. Each room below owns its verbs; import them from there."""
