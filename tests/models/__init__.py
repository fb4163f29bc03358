"""The tables: what they refuse, and which index serves which query."""
