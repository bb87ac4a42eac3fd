"""One file per detector, and what several of them share."""
