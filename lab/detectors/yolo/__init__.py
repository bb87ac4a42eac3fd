"""YOLO networks: checkpoints and exported models."""
