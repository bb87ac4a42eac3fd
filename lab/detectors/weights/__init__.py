"""Weights: finding, fetching and checking them."""
