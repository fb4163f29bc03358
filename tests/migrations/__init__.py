"""Migrations with `jobs`' own project, a host's own (``swaphost``), and one derived (``derivedhost``)."""
