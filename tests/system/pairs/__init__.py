"""Tests that repeat others: with another Python and Django, with another project model. ``make nightly`` runs them."""
