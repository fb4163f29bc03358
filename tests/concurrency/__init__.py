"""Real races, on connections of their own."""
