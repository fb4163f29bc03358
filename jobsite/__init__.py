"""A reference host for `jobs`: the recorded sessions of a session-replay product, and how to erase a user's."""
