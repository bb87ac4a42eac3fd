"""Other people's detections, as runs: tuned here, with or without the video."""
