"""Uploads: received in one request or several, and analysed while they come."""
