"""The durable queue of a store, `jobs.sqlite`: which clips are to be analysed, and how each ended.

queued_job  one job, as it is read
file        the file: opening, changing its form, damage, transactions
owners      who works on the queue, and whether that process still lives
overview    reading the queue and steering it: what people do
job_queue   `JobQueue`: adding jobs, claiming them, ending them: what workers do

What was found is in the catalog and the logs: a queue that is lost loses no run.
"""
