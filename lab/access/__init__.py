"""Who may ask for what, and where this program may connect to."""
