"""Many clips through the engine without watching.

clips     which ones: files, folders, patterns
work      what is done with each: analyses and rules, with the recipes that its detectors give
clip_job  one clip, from the queue to its runs
runner    workers side by side, until every clip has ended
result    how each clip ended
batch     `lab.batch`, and what the command line runs

The queue itself is `lab.jobs.queue`.
"""
