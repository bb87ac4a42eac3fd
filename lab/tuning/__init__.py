"""Searching rules, and how far the result of the search can be trusted.

footage          what a search needs of each clip: scores, truth, coverage, site and night
rule_grid        the values of each setting
sweep            all rules of a grid, counted exactly
pareto           the rules that no other beats
curve            precision and recall at every threshold that occurs
threshold_sweep  the compiled loop of the curve
choice           a goal, and the best rule under it
steps            counts of a rule at every threshold, its other settings kept
step_sweep       the compiled loop of the steps
plateau          thresholds that do equally well, and their middle
search           a rule of the grid, its threshold searched exactly
in_use           whether it is better than the rule in use
folds            which clips are held out together
recommend        the best rule under a goal, with held-out figures
calibration      what a score means
queue            what to annotate next
audit            a drawn sample, for a figure to publish
thinning         what fewer samples would have cost
"""
