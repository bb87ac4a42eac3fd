"""Virtual cameras: pictures of videos, sent to any number of clients on the videos' own clocks."""
