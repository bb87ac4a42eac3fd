"""Detections made elsewhere."""
