"""Detectors that look for what a prompt says: YOLO-World and YOLOE."""
