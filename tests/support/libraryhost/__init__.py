"""A host whose models are made with libraries: soft deletion, history, trees, inheritance."""
