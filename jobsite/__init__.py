"""The reference host of `jobs`: a session-replay product that erases the recorded sessions of a user."""
