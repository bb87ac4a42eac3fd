"""A video played as a camera: what leaves when, as JPEG, and the settings of it."""
