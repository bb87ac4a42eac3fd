"""The parts of job documents; see `lab.job_document`."""
