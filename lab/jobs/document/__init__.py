"""The parts of job documents; see `lab.jobs.document.read`."""
