"""Analyses on a Ray cluster, or on this machine as one. The driver alone writes the store."""
