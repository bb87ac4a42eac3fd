"""Scores become sightings: the rule, the tracker, and why."""
