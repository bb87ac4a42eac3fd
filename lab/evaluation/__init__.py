"""Measuring a rule against what is true. Pure: no clock, no store, no model.

truth          annotations, and what was watched, by media and label
matching       which sighting matches which annotation: one to one, as many as possible
counts         what adds up over clips
rates          ratios and their exact intervals
resampling     intervals over whole groups
figures        the figures of a label, and why one is not defined
fragmentation  split, merged, missed, false, early, late, censored: events to review
evaluate       runs and truth in, figures out
comparison     two runs or two rules, A against B
phrasing       phrases for the same thing, side by side
gate_report    what a gate saved, and what it cost
agreement      two annotators
"""
