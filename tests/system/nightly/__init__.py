"""Short runs of chaos that take minutes; ``make nightly`` runs them before the long ones."""
