"""What size and time do to the promises: a midnight of a million jobs, an erase of millions of rows, long use."""
