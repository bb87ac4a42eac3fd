"""Third-party detectors: loading them, wrapping them, checking their results."""
