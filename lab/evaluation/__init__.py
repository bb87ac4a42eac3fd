"""Measuring a rule against what is true. Pure: no clock, no store, no model.

matching    which sighting stands for which annotation: one to one, as many as possible
counts      what adds up over clips, and the ratios of it
rates       exact intervals
figures     counts and ratios of a label, and what the data cannot say
moments     split, merged, missed, false, early, late, censored: each a moment to look at
evaluate    runs and truth in, figures out
agreement   two annotators
"""
