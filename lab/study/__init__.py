"""Where and when: deployments of cameras, clips in them, clocks, and events across clips."""
