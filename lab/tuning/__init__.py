"""Searching rules, and what the search may be trusted with.

footage     what a search needs of each clip: scores, truth, coverage, site and night
rule_grid   the values of each setting
sweep       all rules of a grid, counted exactly
front       rates of many rules, and those that no other beats
curve       every threshold that occurs, at once
folds       which clips are held out together
resampling  intervals over whole groups
recommend   the best rule under a goal, with held-out figures
calibration what a score means
queue       what to annotate next
audit       a drawn sample, for the figure in the paper
thinning    what if fewer frames had been looked at
"""
