"""Live sources that are analysed and watched: feeds."""
