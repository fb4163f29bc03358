"""One suite for every engine that can run jobs: real servers, real processes."""
