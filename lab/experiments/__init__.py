"""The lab notebook: entries, and their exports.

entry       what an entry says: run, rule, protocol, figures
notebook    a Jupyter notebook that reproduces it
report      an HTML file on its own
bundle      everything that a methods section needs, as a zip
reproduce   from a bundle to the same sightings
"""
