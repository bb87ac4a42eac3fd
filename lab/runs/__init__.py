"""Running: one pass of detectors over a clip, and the run that it leaves."""
