"""How fast it is, beside hand-written loops on the same machine at the same time: ``make bench``."""
