"""Detectors behind HTTP: a worker elsewhere, a cloud service."""
