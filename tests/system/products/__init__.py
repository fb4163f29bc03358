"""Django products from the package index as hosts, each with an erase map for its user."""
