"""Servers of other projects, for tests to talk to; each ends with the test, however that ends."""
