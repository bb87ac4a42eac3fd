"""Where sightings go: files, the console, what a plugin adds."""
